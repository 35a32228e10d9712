#include "daemon/certificates.h"

#include <time.h>

/* ---- the files ---- */

struct contents {
    struct arena *a;
    struct tls_files files;
    struct hash128 hash;
    bool is_read;
    struct error problem; /* unless it is */
};

static bool read_file(struct arena *a, const char *path, struct tls_file *out, struct error *err)
{
    out->name = path;
    return !path || options_read_file(a, path, &out->text, &out->size_bytes, err);
}

static void read_files(const struct options *o, struct contents *out)
{
    *out = (struct contents){ .a = arena_new() };
    struct tls_files *f = &out->files;
    out->is_read = read_file(out->a, o->xds_tls_cert, &f->certificate, &out->problem) &&
                   read_file(out->a, o->xds_tls_key, &f->key, &out->problem) &&
                   read_file(out->a, o->xds_tls_ca, &f->authorities, &out->problem) &&
                   read_file(out->a, o->xds_tls_crl, &f->revocations, &out->problem);
    struct hasher *h = hasher_new();
    const struct tls_file *all[] = { &f->certificate, &f->key, &f->authorities, &f->revocations };
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        hasher_add_text(h, all[i]->text);
    hasher_add_text(h, out->is_read ? NULL : out->problem.text);
    out->hash = hasher_finish(h);
}

/* ---- taking them ---- */

static bool take(struct certificates *c, struct contents *contents, struct error *err)
{
    struct tls_context *fresh;
    c->tried = c->seen = contents->hash;
    if (!contents->is_read) {
        *err = contents->problem;
        err->code = ERROR_USAGE;
        return false;
    }
    if (!tls_context_new(&contents->files, &fresh, err))
        return false;
    tls_context_release(c->context);
    c->context = fresh;
    return true;
}

static void renew(struct certificates *c, struct contents *contents)
{
    struct error err;
    bool is_good = take(c, contents, &err);
    metric_add(is_good ? &c->stats->reloads : &c->stats->failures, 1);
    metric_set(&c->stats->is_refused, !is_good);
    snprintf(c->problem, sizeof c->problem, "%s", is_good ? "" : err.text);
    if (!is_good) {
        log_error(c->log, "certificates are left as they were", LOG_STR("why", err.text));
        return;
    }
    log_info(c->log,
        "certificates are read again",
        LOG_INT("ends", tls_context_ends(c->context).certificate));
    c->on_changed(c);
}

void certificates_reload(struct certificates *c)
{
    struct contents contents;
    if (!c->context)
        return;
    read_files(c->options, &contents);
    renew(c, &contents);
    arena_free(contents.a);
}

/* Others than those that were tried last, and the same as the last time. */
static void on_check(uv_timer_t *timer)
{
    struct certificates *c = container_of(timer, struct certificates, timer);
    struct contents contents;
    read_files(c->options, &contents);
    bool is_new = !hash128_equal(&contents.hash, &c->tried);
    bool is_settled = hash128_equal(&contents.hash, &c->seen);
    c->seen = contents.hash;
    if (is_new && is_settled)
        renew(c, &contents);
    arena_free(contents.a);
}

/* ---- life ---- */

bool certificates_open(struct certificates *c, uv_loop_t *loop, struct error *err)
{
    struct contents contents;
    INVARIANT(uv_timer_init(loop, &c->timer) == 0);
    if (!c->options->xds_tls)
        return true;
    read_files(c->options, &contents);
    bool is_good = take(c, &contents, err);
    arena_free(contents.a);
    metric_set(&c->stats->is_used, is_good);
    if (is_good)
        uv_timer_start(&c->timer, on_check, CERTIFICATES_CHECK_MS, CERTIFICATES_CHECK_MS);
    return is_good;
}

void certificates_close(struct certificates *c)
{
    tls_context_release(c->context);
    c->context = NULL;
    uv_close((uv_handle_t *)&c->timer, NULL);
}

static int64_t seconds_until(int64_t end)
{
    return end ? end - (int64_t)time(NULL) : 0;
}

void certificates_gauges(const struct certificates *c)
{
    if (!c->context)
        return;
    struct tls_ends ends = tls_context_ends(c->context);
    metric_set(&c->stats->certificate_ends_in_s, seconds_until(ends.certificate));
    metric_set(&c->stats->authorities_end_in_s, seconds_until(ends.authorities));
    metric_set(&c->stats->revocations_end_in_s, seconds_until(ends.revocations));
}
