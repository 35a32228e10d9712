/*
 * address: "127.0.0.1:15014", "[::1]:15014": a numeric address and a port.
 */
#ifndef DAEMON_ADDRESS_H
#define DAEMON_ADDRESS_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/socket.h>

/* Port 0 is for any that is free. */
bool address_parse(const char *text, struct sockaddr_storage *out, struct error *err);

/* Only this machine can reach it. */
bool address_is_loopback(const char *text);

/* Where a socket is bound. */
const char *address_of_socket(struct arena *a, int fd);

/* The same address with another port. */
const char *address_with_port(struct arena *a, const char *text, int port);

#endif
