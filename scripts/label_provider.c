/* A provider of security labels for the tests: it takes every label of every object. None comes with the server. */
#include "postgres.h"

#include "commands/seclabel.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

static void takes_everything(const ObjectAddress *object, const char *label) {}

void _PG_init(void) { register_label_provider("dbm \"test", takes_everything); }
