/*
 * h2_memory: what nghttp2 allocates with.
 *
 * Each session has a buffer of 16 KiB for frames, of which ours use some hundred bytes: what is
 * large goes uncopied. With ten thousand idle connections that is most of the memory, unless it is
 * taken from the system in pages of its own, of which those that are not touched do not exist.
 */
#ifndef XDS_H2_MEMORY_H
#define XDS_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

/* Shared by all sessions and threads. */
nghttp2_mem *h2_memory(void);

#endif
