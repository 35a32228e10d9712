/*
 * etcd_fixture: real etcd members for a test, from PATH, on free loopback ports, each with its data
 * in a temporary directory. They die with the test program.
 */
#ifndef ETCD_FIXTURE_H
#define ETCD_FIXTURE_H

#include "base/base.h"

#include <sys/types.h>

enum { ETCD_MEMBERS_MAX = 3 };

struct etcd_member {
    pid_t pid; /* 0: not running */
    unsigned client_port, peer_port;
};

/* What an etcd may demand. Certificates are in the fixture's directory: ca.pem; server.pem;
 * pilot.pem with its key, whose common name is "pilot"; and stranger.pem with its key, of another
 * authority. */
enum etcd_demands { ETCD_PLAIN, ETCD_TLS, ETCD_CLIENT_CERTIFICATES };

struct etcd_fixture {
    enum etcd_demands demands;
    const char *flags; /* further ones of etcd's; may be NULL */
    const char *user;  /* "NAME:PASSWORD" of etcdctl, once authentication is on; may be NULL */
    struct etcd_member members[ETCD_MEMBERS_MAX];
    size_t count;
    char dir[64];
};

/* Starts `count` members and waits until each answers. */
void etcd_fixture_start(struct etcd_fixture *f, size_t count);

/* The same for one member that makes demands, or has further flags. */
void etcd_fixture_start_with(struct etcd_fixture *f, enum etcd_demands demands, const char *flags);

/* Kills all that runs and removes the data. */
void etcd_fixture_remove(struct etcd_fixture *f);

void etcd_member_kill(struct etcd_fixture *f, size_t index);    /* SIGKILL; the data stays */
void etcd_member_restart(struct etcd_fixture *f, size_t index); /* on the same ports, and waits */
void etcd_member_pause(struct etcd_fixture *f, size_t index);   /* SIGSTOP */
void etcd_member_resume(struct etcd_fixture *f, size_t index);

/* Replaces the data of the only member, which must not run, by a snapshot. */
void etcd_fixture_restore(struct etcd_fixture *f, const char *snapshot);

/* Removes the data of the only member, which must not run. */
void etcd_fixture_wipe(struct etcd_fixture *f);

/* Runs "etcdctl ARGS" against a member through the shell; fails the test unless it works. */
void etcdctl(const struct etcd_fixture *f, size_t index, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A port of the loopback address that nobody uses now. */
unsigned free_port(void);

#endif
