/*
 * virtual_service_rules: what must hold across the fields of a VirtualService, part by part; and
 * the formats of strings that only it has. The tables of virtual_service.c point here.
 */
#ifndef MODEL_VIRTUAL_SERVICE_RULES_H
#define MODEL_VIRTUAL_SERVICE_RULES_H

#include "model/schema_fields.h"

extern const struct format format_retry_on, format_redirect_scheme, format_grpc_status;
extern const struct format format_cors_method, format_regex_or_star;

void check_virtual_service(struct decoder *d, void *object);
void check_http_route(struct decoder *d, void *object);
/* Of tls and of tcp. */
void check_l4_route(struct decoder *d, void *object);
void check_http_redirect(struct decoder *d, void *object);
void check_http_rewrite(struct decoder *d, void *object);
void check_http_retry(struct decoder *d, void *object);
void check_http_fault(struct decoder *d, void *object);
void check_fault_abort(struct decoder *d, void *object);
void check_cors_policy(struct decoder *d, void *object);

/* In withoutHeaders the regular expression "*", which is none, stands for a header's presence. */
void check_without_match(struct decoder *d, void *object);

#endif
