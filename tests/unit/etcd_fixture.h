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

struct etcd_fixture {
    struct etcd_member members[ETCD_MEMBERS_MAX];
    size_t count;
    char dir[64];
};

/* Starts `count` members and waits until each answers. */
void etcd_fixture_start(struct etcd_fixture *f, size_t count);

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
