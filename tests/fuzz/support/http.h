/*
 * http: replication/http.h without a network: the requests under way, and whoever answers them says
 * what comes. In the place of replication/http.c for who calls made_http_begin.
 */
#ifndef TESTS_FUZZ_HTTP_H
#define TESTS_FUZZ_HTTP_H

#include "replication/http.h"

void made_http_begin(void);

/* One of those under way; NULL: there is none. */
struct http_request *made_http_find(unsigned index);
/* "/etcdserverpb.KV/Range" */
const char *made_http_method(const struct http_request *r);

/* Each may end the request. */
void made_http_say(struct http_request *r, const void *bytes, size_t size_bytes);
/* With a status, and the text beside it; `problem` NULL: the answer came whole. */
void made_http_end(
    struct http_request *r, const char *status, const char *text, const char *problem);

#endif
