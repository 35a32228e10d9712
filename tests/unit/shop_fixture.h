/*
 * shop_fixture: a small shop of services, and what a proxy of it would be sent; for tests of
 * outbound listeners and routes. JSON is written with single quotes.
 */
#ifndef TESTS_SHOP_FIXTURE_H
#define TESTS_SHOP_FIXTURE_H

#include "translate_fixture.h"

#define ORDERS      "orders.default.svc.cluster.local"
#define ORDERS_PORT "outbound|8080||" ORDERS
#define HTTP_8080   "{'number': 8080, 'name': 'http', 'protocol': 'HTTP'}"
#define WEB_LABELS  "{'LABELS': {'app': 'web', 'tier': 'front'}}"

struct shop {
    struct arena *a;
    struct fixture_value values[16];
    size_t count;
    struct translated t;
    bool is_open;
};

int shop_setup(void **state);
int shop_teardown(void **state);

/* A ServiceEntry in "default", static, with one endpoint; `more`: further fields, or "". The
 * earlier is the older. */
void shop_add_service(struct shop *s, const char *host, const char *ports, const char *more);
/* The same with an UTF-8 JSON spec of its own. */
void shop_add_routes(struct shop *s, const char *name, const char *spec); /* VirtualService */
void shop_add_rule(struct shop *s, const char *name, const char *spec);   /* DestinationRule */
void shop_add_mesh(struct shop *s, const char *fields);

/* For a proxy of namespace default. The second: any node. */
void shop_open(struct shop *s, const char *metadata);
void shop_open_for(struct shop *s, const char *node_id, const char *metadata);

void shop_expect_listener(struct shop *s, const char *name, const char *path, const char *value);
void shop_expect_table(struct shop *s, const char *name, const char *path, const char *value);

/* The orders service on 8080 under one VirtualService, whose `http` list is given; then route
 * number `route` of its virtual host. */
void shop_open_orders(struct shop *s, const char *http);
void shop_expect_route(struct shop *s, int route, const char *path, const char *value);

#endif
