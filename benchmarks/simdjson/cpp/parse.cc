//go:build simdjson_cpp

#include <simdjson.h>

// One parser, kept as users of simdjson are told to: the benchmark has one thread.
static simdjson::dom::parser parser;

extern "C" int gqlboost_parse(const char *text, size_t length, size_t capacity) {
	simdjson::dom::element root;
	return parser.parse(text, length, capacity < length + simdjson::SIMDJSON_PADDING).get(root) == simdjson::SUCCESS;
}
