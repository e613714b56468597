#include "deadletter/advice.h"

#include "common/base/compiler.h"

static const struct {
	const char *meaning, *mending;
} texts[] = {
	[WB_REASON_NONE] = { "Another program wrote this letter, or a record that says nothing of itself.",
		"Look at the exception and message, and at the program that wrote it." },
	[WB_REASON_INVALID_JSON] = { "The value is not valid JSON, so that no database could take it.",
		"Mend what publishes it; then correct the document and replay it, or discard the letter." },
	[WB_REASON_NOT_AN_OBJECT] = { "The value is JSON, but a document has to be an object.",
		"Mend what publishes it; an array is published as one document for each element." },
	[WB_REASON_DUPLICATE_MEMBER] = { "The id or partition key stands twice, so that nobody knows which item is "
					 "meant.",
		"Mend what publishes it; keep one of the two and replay." },
	[WB_REASON_MISSING_ID] = { "The document has no id (a delete or patch: no wb-id header).",
		"Give it one and replay; documents.generate.id of the producer gives ids to documents without." },
	[WB_REASON_INVALID_ID] = { "The id is no string, empty, too long, ends in a space, or has a character that no "
				   "id may have: / \\ ? #.",
		"Encode such ids where they are made; correct the id and replay." },
	[WB_REASON_MISSING_PARTITION_KEY] = { "A delete, patch or tombstone does not say which partition key its item "
					      "has.",
		"Publish it with wb-partition-key; replay it with that header." },
	[WB_REASON_INVALID_PARTITION_KEY] = { "The partition key is an object, an array, too long, or its header is "
					      "not written as described.",
		"Correct the document or header and replay." },
	[WB_REASON_PARTITION_KEY_MISMATCH] = { "The header names another partition key than the document, or Cosmos DB "
					       "knows another path for it.",
		"Correct the one that is wrong; if the container was made anew with another key, replay." },
	[WB_REASON_TOO_LARGE] = { "The document is larger than the 2 MiB that Cosmos DB takes.",
		"Split it, or keep the large part elsewhere; it cannot be replayed as it is." },
	[WB_REASON_BAD_REQUEST] = { "Cosmos DB refuses this write alone (400): the message says why.",
		"Correct what the message names and replay; the activity id is for Microsoft's support." },
	[WB_REASON_NOT_FOUND] = { "A replace or patch of an item that does not exist.",
		"If the item should be there, create it or replay as an upsert; else discard the letter." },
	[WB_REASON_CONFLICT] = { "A create of an item that exists, or a value that a unique key allows only once.",
		"If the item may be overwritten, replay as an upsert; else correct the value or discard the letter." },
	[WB_REASON_PRECONDITION_FAILED] = { "The item has changed since the condition was made (412).",
		"Read the item, decide, and publish the write again with its new etag; or discard the letter." },
	[WB_REASON_PARTITION_FULL] = { "The logical partition has reached Cosmos DB's limit of 20 GB.",
		"Delete from it, or choose a finer partition key; then replay." },
	[WB_REASON_UNKNOWN_CONTAINER] = { "The database or container does not exist.",
		"Create it, or correct wb-container; then replay. cosmos.missing.container=wait waits for it "
		"instead." },
	[WB_REASON_CONTAINER_NOT_ALLOWED] = { "The consumer may not write to this container: it is not in "
					      "cosmos.containers.",
		"Allow it and restart the consumers, or correct wb-container; then replay." },
	[WB_REASON_UNKNOWN_OPERATION] = { "wb-op is none of upsert, create, replace, delete, patch.",
		"Mend what publishes it; replay with the right operation." },
	[WB_REASON_INVALID_HEADER] = { "A wb- header is malformed or contradicts the document or the operation.",
		"Correct what the message names where it is published; replay." },
	[WB_REASON_TOMBSTONE] = { "A record without a value, and the consumer is not told what that means.",
		"If it means a delete, set consumer.tombstones=delete and replay; else discard the letter." },
	[WB_REASON_SERVER_ERROR] = { "This write alone failed for too long, while others of its range went through.",
		"Replay it; if it dies again, give the activity id to Microsoft's support." },
};

const char *wb_advice_meaning(enum wb_reason reason)
{
	return texts[(size_t)reason < WB_ARRAY_LEN(texts) ? reason : WB_REASON_NONE].meaning;
}

const char *wb_advice_mending(enum wb_reason reason)
{
	return texts[(size_t)reason < WB_ARRAY_LEN(texts) ? reason : WB_REASON_NONE].mending;
}
