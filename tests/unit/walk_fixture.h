/*
 * walk_fixture: calls, and what becomes of them in a shop, for tests of translate/walk*.
 */
#ifndef TESTS_WALK_FIXTURE_H
#define TESTS_WALK_FIXTURE_H

#include "shop_fixture.h"

#include "translate/walk.h"
#include "translate/walk_origin.h"

/* A GET of `path` at `authority`, sent to 10.9.9.9:8080 in plaintext. */
struct call call_of(const char *authority, const char *path);
void call_add_header(struct arena *a, struct call *call, const char *name, const char *value);

const struct walk *shop_walk(struct shop *s, const struct call *call);
/* For a proxy of the default web node with that metadata. */
const struct walk_origin *shop_origin(
    struct shop *s, const char *metadata, const struct walk *walk);

/* The fact of that name, several joined by "; "; "(absent)". */
const char *fact_of(struct arena *a, const walk_fact_list *facts, const char *name);

/* "name: reason; name: taken" */
const char *tries_text(struct arena *a, const walk_try_list *tries);

#endif
