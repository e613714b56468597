#include "consumer/topic_map.h"

#include "common/base/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC_LEN_MAX 249 /* as Kafka has it */

static char *trimmed(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

static bool topic_ok(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= TOPIC_LEN_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* text: one entry, cut up. */
static enum wb_err add(struct wb_topic_map *map, char *text, struct wb_error *e)
{
	char *colon = strchr(text, ':');
	char *topic = text, *container = text;

	if (!colon)
		return wb_error_set(e, WB_EINVAL, "topic.map: \"%s\": expected TOPIC:CONTAINER", text);
	*colon = '\0';
	topic = trimmed(text);
	container = trimmed(colon + 1);
	if (!topic_ok(topic))
		return wb_error_set(e, WB_EINVAL,
			"topic.map: \"%s\" is no topic's name: 1 to %d letters, digits, dots, underscores and hyphens",
			topic, TOPIC_LEN_MAX);
	if (!*container)
		return wb_error_set(e, WB_EINVAL, "topic.map: topic %s has no container behind its colon", topic);
	for (size_t i = 0; i < map->count; i++) {
		if (strcmp(map->entries[i].topic, topic) == 0)
			return wb_error_set(e, WB_EINVAL, "topic.map: topic %s stands there twice", topic);
	}
	map->entries[map->count++] = (struct wb_topic_entry){ topic, wb_slice_cstr(container) };
	return WB_OK;
}

enum wb_err wb_topic_map_parse(struct wb_topic_map *ret, const char *text, struct wb_error *e)
{
	enum wb_err err = WB_OK;
	size_t max = 1;
	char *rest, *entry;

	wb_topic_map_release(ret);
	if (!text || !*text)
		return WB_OK;
	for (const char *c = text; *c; c++)
		max += *c == ',';
	ret->text = wb_xmemdup(text, strlen(text));
	ret->entries = wb_xcalloc(max, sizeof *ret->entries);
	rest = ret->text;
	while (err == WB_OK && (entry = strsep(&rest, ",")))
		err = add(ret, entry, e);
	return err;
}

void wb_topic_map_release(struct wb_topic_map *map)
{
	free(map->text);
	free(map->entries);
	*map = (struct wb_topic_map){ 0 };
}
