/* What a reason means in plain words, and what usually mends it. Pure, thread-safe. */
#ifndef WB_DEADLETTER_ADVICE_H
#define WB_DEADLETTER_ADVICE_H

#include "common/contract/reason.h"

/* One or two sentences; literals. NONE: a letter of another program. */
const char *wb_advice_meaning(enum wb_reason reason);
const char *wb_advice_mending(enum wb_reason reason);

#endif
