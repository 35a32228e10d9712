/* version: what --version, the admin port and the replica's record tell. */
#ifndef DAEMON_VERSION_H
#define DAEMON_VERSION_H

#define PILOTD_VERSION "0.1.0"

#endif
