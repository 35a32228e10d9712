/*
 * xds_views: views written as text, for tests: "C:a=1 E:a=1 L:web=7 R:web=2".
 *
 * A word is a type's letter (C, E, L, R, V for virtual hosts), a name, and what stands for the
 * content: the resource's bytes are "name=content".
 */
#ifndef TESTS_XDS_VIEWS_H
#define TESTS_XDS_VIEWS_H

#include "base/arena.h"
#include "xds/view.h"

bool xds_letter_type(char letter, enum xds_type *type);
char xds_type_letter(enum xds_type type);

/* "a=1", of which the name is "a". */
struct xds_resource *xds_resource_of(enum xds_type type, const char *text);
/* The version of that resource, as it stands on the wire; "a=1/a=2": of endpoints a=1 that were
 * sent for the cluster a=2. */
const char *xds_version_of(struct arena *a, const char *text);

struct xds_view *xds_view_of(int64_t revision, struct xds_view *base, const char *text);

#endif
