# The manual page of pilotd, out of `pilotd --help`; -v version=… is its release.
function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/~/, "\\(ti", text)
    sub(/^[.']/, "\\\\\\&&", text)
    return text
}
NR == 1 {
    printf ".TH pilotd 8 \"\" \"%s\"\n.SH NAME\n", version
    sub(/^pilotd: /, "")
    printf "pilotd \\- %s\n.SH SYNOPSIS\n.B pilotd\n[\\fIOPTION\\fR]…\n", roff($0)
    print ".SH DESCRIPTION"
    print "A replica: it follows the keyspace of a store and serves it to Envoys over xDS. Any number of"
    print "replicas follow one etcd; they are alike."
    print ".SH OPTIONS"
    next
}
/^  --/ {
    flag = $1
    value = $2 ~ /^[A-Z][A-Z:]*$/ ? $2 : ""
    sub(/^  --[a-z-]+ +/, "")
    if (value)
        sub(/^[A-Z:]+ +/, "")
    printf ".TP\n.B %s%s\n%s\n", roff(flag), value ? " \\fI" roff(value) "\\fR" : "", roff($0)
    next
}
NF { rest = rest roff($0) "\n" }
END {
    printf ".SH ENVIRONMENT AND SIGNALS\n%s", rest
    print ".SH FILES\n.TP\n.I /etc/pilotd/pilotd.yaml\nthe settings that the systemd unit starts it with"
    print ".SH SEE ALSO\n.BR pilotctl (1)"
}
