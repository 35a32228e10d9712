/*
 * destination_rule_rules: what must hold across the fields of a DestinationRule, part by part. The
 * tables of destination_rule.c point here.
 */
#ifndef MODEL_DESTINATION_RULE_RULES_H
#define MODEL_DESTINATION_RULE_RULES_H

#include "model/schema_fields.h"

extern const struct format format_region;

void check_http_cookie(struct decoder *d, void *object);
void check_destination_rule(struct decoder *d, void *object);
void check_traffic_policy(struct decoder *d, void *object);
void check_load_balancer(struct decoder *d, void *object);
void check_warmup(struct decoder *d, void *object);
void check_locality_lb_setting(struct decoder *d, void *object);
void check_connection_pool(struct decoder *d, void *object);
void check_http_settings(struct decoder *d, void *object);
void check_outlier_detection(struct decoder *d, void *object);
void check_maglev(struct decoder *d, void *object);
void check_client_tls(struct decoder *d, void *object);

#endif
