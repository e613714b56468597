/* What the files of the HTTP interface share; no one else includes it. Not thread-safe by itself: see the fields. */
#ifndef WB_PRODUCER_API_INTERNAL_H
#define WB_PRODUCER_API_INTERNAL_H

#include "producer/api.h"
#include "producer/duplicates.h"
#include "producer/content_digest.h"
#include "producer/job_key.h"
#include "producer/prefer.h"

#include <stdatomic.h>

#define WB_API_URL_SIZE  512
#define WB_API_PATH_SIZE 64

struct wb_api {
	struct wb_api_settings settings;
	struct wb_duplicates *duplicates;
	wb_http_handler guarded_handler; /* what wb_api_guard took over */
	void *guarded_arg;
	atomic_size_t requests;    /* being published */
	atomic_size_t streams;     /* of them */
	atomic_size_t batch_bytes; /* of what was read from bodies */
	atomic_size_t body_bytes;  /* of bodies that Kafka has not told about yet */
};

/* Who sent a request: the first member of its state, as the headers of every answer tell of it. */
struct wb_access {
	struct wb_identity *identity; /* NULL: not admitted */
	struct wb_rate_texts rate;
	char authenticate[200]; /* WWW-Authenticate, "" for none */
};

/* One POST /v1/jobs, from its headers to its answer: the request's state, freed with it. Slices are the request's. */
struct wb_publication {
	struct wb_access access;
	struct wb_api *api;
	struct wb_http_request *request;
	struct wb_request_defaults defaults;
	enum wb_body_format format;
	struct wb_prefer prefer;
	struct wb_slice callback;        /* of the query, then of the body; absent: none */
	bool keyed;
	struct wb_idempotency_key key;
	bool promised;                   /* Content-Digest came with a SHA-256, */
	uint8_t digest[WB_SHA256_SIZE];  /* this one */
	struct wb_duplicate duplicate;   /* the job's id, and with a key that key's digest */
	bool claimed;                    /* wb_duplicates_end is owed */
	bool in_flight;                  /* counted in requests */
	struct wb_http_server *server;
	char *body; /* that was gathered, until Kafka's client has it; NULL: empty, or not any more */
	size_t body_len;
	struct wb_batch batch; /* of that body */
	uint64_t count, bytes; /* of writes, and of the body */
	struct wb_stream_intake *stream; /* of a streamed body */
};

/* What a publication comes to. */
struct wb_publication_end {
	enum { WB_END_ACCEPTED, WB_END_FAILED, WB_END_REFUSED } kind;
	enum wb_err err; /* FAILED, */
	const char *why; /* with a sentence */
	const struct wb_request_error *error; /* REFUSED */
};

/* Answers the request of a publication and those that repeat it; the publication must not be touched after. */
void wb_publication_end(struct wb_publication *p, const struct wb_publication_end *end);
void wb_publication_refuse(struct wb_publication *p, unsigned status, const char *code, const char *detail);
void wb_publication_refused(struct wb_publication *p, const struct wb_request_error *error);
/* A wb_publish_done_fn. */
void wb_publication_done(void *publication, enum wb_err err, const char *why);
/* The client is gone: only those that repeat it are answered. */
void wb_publication_lost(struct wb_publication *p);

/* Counts it among those that are being published, from when its body is there or begins to be published on: one that
 * comes slowly takes nobody's place. False: it has its answer. */
bool wb_publication_enter(struct wb_publication *p) WB_MUST_USE;
/* Sets the job's id: a new one, or with a key the one that key and body (SHA-256 of it as it came) stand for. */
void wb_publication_identify(struct wb_publication *p, const uint8_t body_sha256[WB_SHA256_SIZE]);
/* Whether the body is the one that Content-Digest promised, where it did. */
bool wb_publication_digest_holds(const struct wb_publication *p) WB_MUST_USE;
/* Claims the key. True: fn is called when the view is as new as the topic; else the publication has its answer, or waits
 * for the one that it repeats. */
bool wb_publication_claim(struct wb_publication *p, wb_job_view_fn fn) WB_MUST_USE;
/* In that fn. True: the job is not known yet, and to be published; else the publication has its answer. */
bool wb_publication_fresh(struct wb_publication *p, enum wb_err err) WB_MUST_USE;
/* Whether it may go there, and its callback be called; else it has its answer. */
bool wb_publication_allowed(struct wb_publication *p, struct wb_slice database, struct wb_slice container) WB_MUST_USE;
void wb_publication_job(const struct wb_publication *p, struct wb_slice database, struct wb_slice container,
	struct wb_publish_job *ret);

/* POST /v1/jobs: when its headers are there, when its body was gathered, and when that is too large to be validated
 * whole. arg is the API. */
void wb_api_publish_begin(void *arg, struct wb_http_request *r);
void wb_api_publish(void *arg, struct wb_http_request *r);
void wb_api_publish_stream(void *arg, struct wb_http_request *r);
void wb_stream_intake_free(struct wb_stream_intake **s);

/* POST /{function}: an invocation of the Azure Functions host. arg is not used. */
void wb_api_function(void *arg, struct wb_http_request *r);

/* Admits a request, or answers it and returns false. access is to be released. */
bool wb_api_admit(
	struct wb_api *api, struct wb_http_request *r, enum wb_scope scope, struct wb_access *access) WB_MUST_USE;
void wb_api_refuse_access(struct wb_http_request *r, struct wb_access *access, const struct wb_auth_refusal *refusal);
struct wb_auth_time wb_api_now(void);
/* path made absolute: under http.public.url, or the name by which the client reached us. */
void wb_api_absolute_url(
	const struct wb_api *api, const struct wb_http_request *r, const char *path, char ret[WB_API_URL_SIZE]);

#endif
