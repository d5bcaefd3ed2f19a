// How mode `latency` of load_client.c reads the result lines of the load balancer, and how it summarizes samples.
#ifndef PERCORE_BENCH_LOAD_CLIENT_RESULTS_H
#define PERCORE_BENCH_LOAD_CLIENT_RESULTS_H

#include "load_client.h"

struct Result {
  uint64_t seq;
  uint32_t band, key, crc;
};

static void printMicroseconds(const char *name, const int64_t *sorted, size_t count, size_t perTenThousand) {
  // By nearest rank: the smallest sample that at least this share of all samples does not exceed.
  if (count == 0) printf(",\"%s\":null", name);
  else printf(",\"%s\":%.1f", name, (double)sorted[(count * perTenThousand + 9999) / 10000 - 1] / 1000.0);
}

static int compareSamples(const void *left, const void *right) {
  const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

// Reads a number of at most 18 digits and the space after it.
static bool parseField(const char **at, const char *end, uint64_t *value) {
  const char *start = *at;
  *value = 0;
  while (*at < end && **at >= '0' && **at <= '9' && *at - start < 18) *value = *value * 10 + (uint64_t)(*(*at)++ - '0');
  return *at > start && *at < end && *(*at)++ == ' ';
}

static bool parseResult(const char *line, size_t length, struct Result *result) {
  const char *at = line;
  const char *const end = line + length;
  uint64_t reactor, band, key, count;
  if (!parseField(&at, end, &result->seq) || !parseField(&at, end, &reactor) || !parseField(&at, end, &band))
    return false;
  if (at == end || *at++ != 'u') return false;
  if (!parseField(&at, end, &key) || !parseField(&at, end, &count) || end - at != 8) return false;
  for (int digit = 0; digit < 8; ++digit) {
    if (strchr("0123456789abcdefABCDEF", at[digit]) == NULL || at[digit] == '\0') return false;
  }
  result->band = (uint32_t)band;
  result->key = (uint32_t)key;
  result->crc = parseHex8(at);
  return true;
}

#endif
