/* pilotctl: the operator's tool. One verb table; each verb is a file. */
#include "ctl/ctl.h"

#include <signal.h>
#include <string.h>

static const struct verb verbs[] = {
    { "apply",
        "-f FILE…",
        "Validates resources, then writes them all to the store: all of them or none.",
        apply_flags,
        verb_apply },
    { "get",
        "[KIND [NAME]]",
        "Lists what is in the store: resources of a kind, or services and instances.",
        get_flags,
        verb_get },
    { "delete",
        "KIND NAME… | -f FILE…",
        "Deletes resources from the store.",
        delete_flags,
        verb_delete },
    { "validate",
        "-f FILE…",
        "Checks resources without a server: every fault with file, line, column, path and hint.",
        validate_flags,
        verb_validate },
    { "render",
        "[-f FILE…] --node NODE -o DIR",
        "Writes what a proxy would be sent: clusters, endpoints, listeners, routes as JSON. Of "
        "files\n"
        "alone; with --store, as if they were applied there; without files, of the store.",
        render_flags,
        verb_render },
    { "route",
        "[-f FILE…] --node NODE URL",
        "Follows one call through what a proxy would be sent: listener, filter chain, each route\n"
        "that is tried and why it is not taken, the one that wins and whose it is, where it "
        "leads,\n"
        "and where each setting comes from. URL is http://, https://, grpc://, tcp:// or tls://;\n"
        "without one of these it is http. Of files alone; with --store, as if they were applied\n"
        "there; without files, of the store. Exit 1 if the call gets nowhere.\n\n"
        "  pilotctl route --node 'sidecar~10.0.0.7~web-1.default~default.svc.cluster.local' "
        "http://reviews:9080/\n"
        "  pilotctl route -f shop.yaml --node n.json -H 'end-user: jason' http://reviews:9080/\n"
        "  pilotctl route -f shop.yaml --node n.json tls://db.example.com\n"
        "  pilotctl route -f shop.yaml --node n.json --inbound --tls mtls http://10.0.0.7:9080/",
        route_flags,
        verb_route },
    { "status",
        "",
        "Shows the replicas, whether they agree, and what was rejected. Exit 1 if they do not "
        "agree.",
        status_flags,
        verb_status },
    { "proxies",
        "",
        "Shows the connected proxies: what each has acknowledged, and its last refusal.",
        proxies_flags,
        verb_proxies },
    { "bootstrap",
        "NODE-ID",
        "Prints an Envoy bootstrap (JSON) for a proxy: NODE-ID is "
        "sidecar~IP~NAME.NAMESPACE~DOMAIN.",
        bootstrap_flags,
        verb_bootstrap },
    { "register",
        "SERVICE --address IP --port NAME=NUMBER [-- CMD…]",
        "Keeps an instance of a service registered while it runs, or while CMD runs: the command "
        "is\n"
        "registered once its port accepts, gets the signals, and is deregistered when it ends.",
        register_flags,
        verb_register },
};

static void print_usage(FILE *out)
{
    fputs("pilotctl VERB …   (pilotctl VERB --help tells more)\n\n", out);
    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].args_help);
}

static const struct verb *find_verb(const char *name)
{
    const char *names[ARRAY_COUNT(verbs)];
    for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
        names[i] = verbs[i].name;
    }
    const char *near = diag_nearest(name, names, ARRAY_COUNT(verbs));
    ctl_fail(EXIT_USAGE,
        "unknown verb %s%s%s; see pilotctl --help",
        name,
        near ? "; did you mean " : "",
        near ? near : "");
    return NULL;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_GOOD;
    }
    const struct verb *verb = find_verb(argv[1]);
    if (!verb)
        return EXIT_USAGE;
    if (wants_help(argc - 2, argv + 2)) {
        ctl_print_help(verb);
        return EXIT_GOOD;
    }
    signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error of that call, not our end */
    struct ctl ctl = { .a = arena_new(), .verb = verb };
    int status = ctl_parse(&ctl, argc - 2, argv + 2) ? verb->run(&ctl) : EXIT_USAGE;
    arena_free(ctl.a);
    if (fflush(stdout) != 0)
        return ctl_fail(EXIT_FINDINGS, "writing the output failed");
    return status;
}
