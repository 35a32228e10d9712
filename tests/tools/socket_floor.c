/*
 * socket_floor: the least that sending can cost here: one thread writes the same bytes to many
 * sockets on loopback, as fast as they take them, and another process reads and forgets them.
 *
 *     socket_floor SOCKETS BYTES
 *
 * Prints one JSON object: the time from the first write until the last byte was read, and the
 * processor time of both sides: {"ms":…,"writer_cpu_s":…,"reader_cpu_s":…}
 */
#include <arpa/inet.h>
#include <errno.h>
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

static void watch(int epoll, int fd, unsigned events, unsigned index)
{
    struct epoll_event event = { .events = events,
        .data.u64 = (uint64_t)index << 32 | (unsigned)fd };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static void read_all(const struct sockaddr_in *to, unsigned count, size_t total)
{
    static char buffer[CHUNK_BYTES];
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) < 0)
            die("connect");
        watch(epoll, fd, EPOLLIN, i);
    }
    while (total > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            ssize_t size = read((int)(events[i].data.u64 & 0xffffffff), buffer, sizeof buffer);
            if (size <= 0)
                die("read");
            total -= (size_t)size;
        }
    }
}

/* False when the socket takes no more for now. */
static void write_some(int epoll, int fd, const char *bytes, size_t size, size_t *at)
{
    ssize_t written = 0;
    while (*at < size && (written = send(fd, bytes + *at, size - *at, MSG_DONTWAIT)) > 0)
        *at += (size_t)written;
    if (written < 0 && errno != EAGAIN)
        die("send");
    if (*at == size)
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void write_all(const int *fds, unsigned count, const char *bytes, size_t size)
{
    struct epoll_event events[EVENTS];
    size_t *at = calloc(count, sizeof *at), left = count;
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < count; i++)
        watch(epoll, fds[i], EPOLLOUT, i);
    while (left > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            size_t *place = &at[events[i].data.u64 >> 32];
            write_some(epoll, (int)(events[i].data.u64 & 0xffffffff), bytes, size, place);
            left -= *place == size;
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

int main(int argc, char **argv)
{
    unsigned count = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
    size_t size = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    struct sockaddr_in at;
    int status = 0;
    if (!count || !size) {
        fprintf(stderr, "usage: socket_floor SOCKETS BYTES\n");
        return 2;
    }
    int listener = open_listener(&at);
    pid_t reader = fork();
    if (reader == 0) {
        read_all(&at, count, count * size);
        return 0;
    }
    char *bytes = malloc(size);
    int *fds = calloc(count, sizeof *fds);
    if (reader < 0 || !bytes || !fds)
        die("fork");
    memset(bytes, 'x', size);
    for (unsigned i = 0; i < count; i++)
        fds[i] = accept(listener, NULL, NULL);
    double began_ms = now_ms(), began_s = cpu_s(RUSAGE_SELF);
    write_all(fds, count, bytes, size);
    double spent_s = cpu_s(RUSAGE_SELF) - began_s;
    if (waitpid(reader, &status, 0) < 0 || status != 0)
        die("reader");
    printf("{\"ms\":%.3f,\"writer_cpu_s\":%.4f,\"reader_cpu_s\":%.4f}\n",
        now_ms() - began_ms,
        spent_s,
        cpu_s(RUSAGE_CHILDREN));
    return 0;
}
