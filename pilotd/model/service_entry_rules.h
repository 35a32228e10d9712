/*
 * service_entry_rules: what must hold across the fields of a ServiceEntry and of a WorkloadEntry.
 * The tables of service_entry.c and workload_entry.c point here.
 */
#ifndef MODEL_SERVICE_ENTRY_RULES_H
#define MODEL_SERVICE_ENTRY_RULES_H

#include "model/schema_fields.h"

void check_service_entry(struct decoder *d, void *object);
void check_workload_entry(struct decoder *d, void *object);

#endif
