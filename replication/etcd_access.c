#include "replication/etcd_access.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool check_file(const char *path, const char *what, struct error *err)
{
    if (!path || access(path, R_OK) == 0)
        return true;
    return error_set(err, ERROR_USAGE, "%s %s: %s", what, path, strerror(errno));
}

static bool check(const struct store_access *access, bool is_tls, struct error *err)
{
    if (!is_tls && (access->ca_file || access->cert_file || access->key_file))
        return error_set(err, ERROR_USAGE, "certificates are for etcds://, not for etcd://");
    if (!access->cert_file != !access->key_file)
        return error_set(err, ERROR_USAGE, "a certificate and its key go together");
    if (!access->user != !access->password_file)
        return error_set(err, ERROR_USAGE, "a user and a password file go together");
    return check_file(access->ca_file, "the authority", err) &&
           check_file(access->cert_file, "the certificate", err) &&
           check_file(access->key_file, "the key", err) &&
           check_file(access->password_file, "the password file", err);
}

static const char *copy(struct arena *a, const char *text)
{
    return text ? arena_strdup(a, text) : NULL;
}

bool etcd_access_take(
    struct arena *a, const struct store_options *options, struct etcd_url *url, struct error *err)
{
    const struct store_access *access = &options->access;
    url->is_tls = begins_with(options->url, "etcds:");
    url->tls = (struct http_tls){
        .ca_file = copy(a, access->ca_file),
        .cert_file = copy(a, access->cert_file),
        .key_file = copy(a, access->key_file),
    };
    url->user = copy(a, access->user);
    url->password_file = copy(a, access->password_file);
    return check(access, url->is_tls, err);
}
