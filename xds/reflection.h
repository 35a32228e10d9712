/*
 * reflection: answers to questions about what is served here (grpc.reflection.v1, and v1alpha,
 * whose messages are the same on the wire).
 *
 * The descriptors are of our own .proto files: upstream's names and numbers, but only the messages
 * and fields that pilotd reads or writes, in fewer files than upstream's; Node.metadata is declared
 * as bytes. They are not secret: they tell nothing of the mesh.
 *
 * Answers depend on their requests alone. Each brings a file with all that it imports, though the
 * stream may have had some of it before.
 *
 * Pure.
 */
#ifndef XDS_REFLECTION_H
#define XDS_REFLECTION_H

#include "proto/pb.h"

/* Both as bytes: a ServerReflectionRequest, and the ServerReflectionResponse in `a`. What is not
 * there is an answer, too (error_response). The request is told back as far as it is understood.
 * False: it is no such request. */
bool reflection_answer(
    struct arena *a, const uint8_t *bytes, size_t size_bytes, struct pb_bytes *answer);

/* Whether a service of this full name is served. */
bool reflection_has_service(const char *name);

#endif
