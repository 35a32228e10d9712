/*
 * socket_floor: the least that sending can cost here: one thread writes the same bytes to many
 * sockets on loopback, as fast as they take them, and another process reads and forgets them.
 *
 *     socket_floor [--tls CA,CERT,KEY] SOCKETS BYTES
 *
 * With TLS the handshakes are over before the first write, and each socket's bytes are sealed
 * apart. Prints one JSON object: the time from the first write until the last byte was read, and
 * the processor time of both sides: {"ms":…,"writer_cpu_s":…,"reader_cpu_s":…}
 */
#include "xds_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536, EVENTS = 256 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double cpu_s(int who)
{
    struct rusage used;
    getrusage(who, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* One end of a connection. */
struct end {
    int fd;
    SSL *ssl; /* NULL: in plain text */
};

/* -1 when the other side is not ready, as send() says it. */
static ssize_t outcome(const struct end *e, int size)
{
    int problem = size > 0 ? SSL_ERROR_NONE : SSL_get_error(e->ssl, size);
    if (problem == SSL_ERROR_NONE)
        return size;
    if (problem != SSL_ERROR_WANT_READ && problem != SSL_ERROR_WANT_WRITE)
        die("TLS");
    errno = EAGAIN;
    return -1;
}

static ssize_t end_write(const struct end *e, const char *bytes, size_t size)
{
    if (!e->ssl)
        return send(e->fd, bytes, size, MSG_DONTWAIT);
    return outcome(e, SSL_write(e->ssl, bytes, (int)(size < CHUNK_BYTES ? size : CHUNK_BYTES)));
}

static ssize_t end_read(const struct end *e, char *bytes, size_t size)
{
    return e->ssl ? outcome(e, SSL_read(e->ssl, bytes, (int)size)) : read(e->fd, bytes, size);
}

/* Both sides go through their sockets in one order. */
static void shake_hands(struct end *ends, unsigned count, SSL_CTX *ctx, int (*shake)(SSL *ssl))
{
    if (!ctx)
        return;
    SSL_CTX_set_mode(ctx,
        SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    for (unsigned i = 0; i < count; i++) {
        ends[i].ssl = SSL_new(ctx);
        if (!SSL_set_fd(ends[i].ssl, ends[i].fd) || shake(ends[i].ssl) != 1)
            die("TLS handshake");
        fcntl(ends[i].fd, F_SETFL, O_NONBLOCK);
    }
}

static void watch(int epoll, int fd, unsigned events, unsigned index)
{
    struct epoll_event event = { .events = events, .data.u32 = index };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void read_all(const struct sockaddr_in *to, unsigned count, size_t total, SSL_CTX *ctx)
{
    static char buffer[CHUNK_BYTES];
    struct epoll_event events[EVENTS];
    struct end *ends = calloc(count, sizeof *ends);
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < count; i++) {
        ends[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (ends[i].fd < 0 || connect(ends[i].fd, (const struct sockaddr *)to, sizeof *to) < 0)
            die("connect");
        watch(epoll, ends[i].fd, EPOLLIN, i);
    }
    shake_hands(ends, count, ctx, SSL_connect);
    while (total > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            ssize_t size = end_read(&ends[events[i].data.u32], buffer, sizeof buffer);
            if (size == 0 || (size < 0 && errno != EAGAIN))
                die("read");
            total -= size > 0 ? (size_t)size : 0;
        }
    }
    free(ends);
}

/* Until the socket takes no more for now. */
static void write_some(int epoll, const struct end *e, const char *bytes, size_t size, size_t *at)
{
    ssize_t written = 0;
    while (*at < size && (written = end_write(e, bytes + *at, size - *at)) > 0)
        *at += (size_t)written;
    if (written < 0 && errno != EAGAIN)
        die("send");
    if (*at == size)
        epoll_ctl(epoll, EPOLL_CTL_DEL, e->fd, NULL);
}

static void write_all(const struct end *ends, unsigned count, const char *bytes, size_t size)
{
    struct epoll_event events[EVENTS];
    size_t *at = calloc(count, sizeof *at), left = count;
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < count; i++)
        watch(epoll, ends[i].fd, EPOLLOUT, i);
    while (left > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            unsigned index = events[i].data.u32;
            write_some(epoll, &ends[index], bytes, size, &at[index]);
            left -= at[index] == size;
        }
    }
    free(at);
}

static int open_listener(struct sockaddr_in *at)
{
    socklen_t size = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0 || bind(fd, (const struct sockaddr *)at, sizeof *at) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)at, &size) < 0)
        die("listen");
    return fd;
}

/* Of the certificate that clients show elsewhere: one cipher, so that figures compare. */
static SSL_CTX *server_context(const char *files)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const char *cert = strchr(files, ',') + 1, *key = strchr(cert, ',') + 1;
    char *cert_file = strndup(cert, (size_t)(key - 1 - cert));
    if (!SSL_CTX_use_certificate_chain_file(ctx, cert_file) ||
        !SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) ||
        !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"))
        die("--tls");
    free(cert_file);
    return ctx;
}

int main(int argc, char **argv)
{
    bool has_tls = argc == 5 && strcmp(argv[1], "--tls") == 0;
    char **words = has_tls ? argv + 2 : argv;
    unsigned count = argc == 3 || has_tls ? (unsigned)atoi(words[1]) : 0;
    size_t size = count ? strtoull(words[2], NULL, 10) : 0;
    SSL_CTX *client = has_tls ? tls_client_context(argv[2]) : NULL;
    struct sockaddr_in at;
    int status = 0;
    if (!count || !size || (has_tls && !client)) {
        fprintf(stderr, "usage: socket_floor [--tls CA,CERT,KEY] SOCKETS BYTES\n");
        return 2;
    }
    int listener = open_listener(&at);
    pid_t reader = fork();
    if (reader == 0) {
        read_all(&at, count, count * size, client);
        return 0;
    }
    char *bytes = malloc(size);
    struct end *ends = calloc(count, sizeof *ends);
    if (reader < 0 || !bytes || !ends)
        die("fork");
    memset(bytes, 'x', size);
    for (unsigned i = 0; i < count; i++)
        ends[i].fd = accept(listener, NULL, NULL);
    shake_hands(ends, count, has_tls ? server_context(argv[2]) : NULL, SSL_accept);
    double began_ms = now_ms(), began_s = cpu_s(RUSAGE_SELF);
    write_all(ends, count, bytes, size);
    double spent_s = cpu_s(RUSAGE_SELF) - began_s;
    if (waitpid(reader, &status, 0) < 0 || status != 0)
        die("reader");
    printf("{\"ms\":%.3f,\"writer_cpu_s\":%.4f,\"reader_cpu_s\":%.4f}\n",
        now_ms() - began_ms,
        spent_s,
        cpu_s(RUSAGE_CHILDREN));
    return 0;
}
