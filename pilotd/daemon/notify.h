/*
 * notify: tells the service manager how it goes: sd_notify(3)'s protocol, one datagram a telling.
 *
 * NOTIFY_SOCKET names where to; without it nothing is told. A manager that does not read costs
 * nothing: what finds no room is lost, as nobody would wait for it.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include "base/error.h"

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_size;
    uint64_t watchdog_ms; /* WATCHDOG=1 is wanted at least so often; 0: never */
};

/* From the environment, whose variables are then gone. */
bool notify_open(struct notify *n, struct error *err);
void notify_close(struct notify *n);

/* "READY=1", several with newlines in between. */
void notify_send(const struct notify *n, const char *text);

#endif
