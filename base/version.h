/* version: what --version, the admin port and the replica's record tell. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define PILOTD_VERSION "0.1.0"

#endif
