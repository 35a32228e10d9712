/*
 * instance: what a command line says of an instance of a service, with what a WorkloadGroup says
 * of all instances like it behind it.
 */
#ifndef CTL_INSTANCE_H
#define CTL_INSTANCE_H

#include "ctl/ctl.h"
#include "model/object.h"

extern const struct flag flag_address, flag_port, flag_label, flag_weight, flag_locality,
    flag_group;

/* The instance's value in the registry, in ctl's arena, and the number of its first port (0: it has
 * none). The group of --group is read from the store once. An exit status, after saying what is
 * wrong. */
int instance_value(struct ctl *ctl, const char **value, uint16_t *first_port);

/* Decodes a value as replicas do and prints its faults; NULL when they would reject it. */
struct object *instance_decode(struct ctl *ctl, const char *key, const char *value, size_t size);

#endif
