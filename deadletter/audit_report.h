/* What the audit found, for a person and as JSON: totals, the jobs and origins that do not balance, the writes that do not fit.
 *
 * Of the latter two at most limit each are kept, all are counted. Not thread-safe: one owner.
 */
#ifndef WB_DEADLETTER_AUDIT_REPORT_H
#define WB_DEADLETTER_AUDIT_REPORT_H

#include "deadletter/audit_judge.h"
#include "deadletter/audit_read.h"

#include <stdio.h>

struct wb_audit_report;

struct wb_audit_report *wb_audit_report_new(size_t limit) WB_MUST_USE;
void wb_audit_report_free(struct wb_audit_report **r);
/* For wb_audit_judge_new, with the report as its arg. */
extern const struct wb_audit_sink wb_audit_report_sink;

bool wb_audit_report_balances(const struct wb_audit_report *r);
/* A table, what is to be known beside it, and the ledger as the last line. group: whose committed offsets counted. */
void wb_audit_report_print(
	const struct wb_audit_report *r, const struct wb_audit_read *read, const char *group, FILE *out);
/* One object on one line. */
void wb_audit_report_json(
	const struct wb_audit_report *r, const struct wb_audit_read *read, const char *group, FILE *out);

#endif
