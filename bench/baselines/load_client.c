// TCP load client for the load balancer program. It is a process of its own, so that no figure of the measured program
// contains the cost of making load. It uses the program's two ports on 127.0.0.1:
//
//     input   `<band> <key> <payload>\n`                              any number of connections
//     output  `<seq> <reactor> <band> <key> <count> <crc8>\n`   any reader; seq is the line's number on its connection
//
// throughput (load_client_throughput.h): as many lines as the sockets take, and the clock stops at the last result.
// latency (load_client_latency.h): open loop, from the moment each urgent line was due to the arrival of its result.
//
// Exit code: 0; 1 if a check failed; 2 for bad arguments or a port on which nobody listens; 3 for 20 s without
// progress. With 1 or 3 the JSON object, if there is one, is still printed, with "verified":false.

#define _GNU_SOURCE
#include <sched.h>

#include "load_client.h"
#include "load_client_latency.h"
#include "load_client_throughput.h"

static struct Options parseOptions(int argc, char **argv);
static void pinProcess(const char *list);

int main(int argc, char **argv) {
  const bool isThroughput = argc > 1 && strcmp(argv[1], "throughput") == 0;
  const bool isLatency = argc > 1 && strcmp(argv[1], "latency") == 0;
  if (!isThroughput && !isLatency) stop(exitBadArgument, "the first argument is 'throughput' or 'latency'");
  const struct Options options = parseOptions(argc, argv);
  if (options.cpus != NULL) pinProcess(options.cpus);
  return isThroughput ? runThroughput(&options) : runLatency(&options);
}

struct OptionRule {
  const char *name;
  int64_t *value;
  int64_t lowest, highest;
  char modes;  // 't', 'l', or 'b' for both
  bool isRequired;
};

static int64_t parseNumber(const char *name, const char *text, int64_t lowest, int64_t highest) {
  char *end = NULL;
  errno = 0;
  const long long value = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < lowest || value > highest) {
    stop(exitBadArgument, "%s is '%s', not a number from %lld to %lld", name, text, (long long)lowest,
         (long long)highest);
  }
  return value;
}

static struct Options parseOptions(int argc, char **argv) {
  struct Options options = {0};
  const struct OptionRule rules[] = {
      {"--input", &options.inputPort, 1, 65535, 'b', true},
      {"--output", &options.outputPort, 0, 65535, 'b', true},
      {"--line-bytes", &options.lineBytes, 16, 60000, 'b', true},
      {"--keys", &options.keys, 1, maxKeys, 'b', true},
      {"--connections", &options.connections, 1, maxConnections, 't', true},
      {"--lines", &options.lines, 1, 1000000000, 't', true},
      {"--band", &options.band, 0, 7, 't', true},
      {"--flood-connections", &options.floodConnections, 0, maxConnections, 'l', true},
      {"--flood-rate", &options.floodRate, 0, 10000000, 'l', true},
      {"--flood-band", &options.floodBand, 0, 7, 'l', true},
      {"--urgent-rate", &options.urgentRate, 1, 1000000, 'l', true},
      {"--urgent-band", &options.urgentBand, 0, 7, 'l', true},
      {"--seconds", &options.seconds, 1, 120, 'l', true},
      {"--warmup-seconds", &options.warmupSeconds, 0, 60, 'l', true},
      {"--nice", &options.nice, -20, 19, 'l', false},
      {"--fifo", &options.fifo, 1, 99, 'l', false},
  };
  const size_t ruleCount = sizeof rules / sizeof rules[0];
  const char mode = argv[1][0];
  for (size_t at = 0; at < ruleCount; ++at) *rules[at].value = notGiven;

  for (int at = 2; at < argc; at += 2) {
    const char *name = argv[at];
    if (at + 1 == argc) stop(exitBadArgument, "%s has no value", name);
    const char *text = argv[at + 1];
    if (strcmp(name, "--cpus") == 0) {
      options.cpus = text;
      continue;
    }
    size_t rule = 0;
    while (rule < ruleCount &&
           (strcmp(name, rules[rule].name) != 0 || (rules[rule].modes != 'b' && rules[rule].modes != mode)))
      ++rule;
    if (rule == ruleCount) stop(exitBadArgument, "'%s' is no option of %s", name, argv[1]);
    const bool isMixed = rules[rule].value == &options.band && strcmp(text, "mixed") == 0;
    *rules[rule].value = isMixed ? -1 : parseNumber(name, text, rules[rule].lowest, rules[rule].highest);
  }
  for (size_t at = 0; at < ruleCount; ++at) {
    if (rules[at].isRequired && (rules[at].modes == 'b' || rules[at].modes == mode) && *rules[at].value == notGiven) {
      stop(exitBadArgument, "%s needs %s", argv[1], rules[at].name);
    }
  }
  if (mode == 'l' && options.outputPort == 0) stop(exitBadArgument, "latency needs an --output other than 0");
  if (mode == 'l' && (options.floodConnections == 0) != (options.floodRate == 0)) {
    stop(exitBadArgument, "--flood-connections and --flood-rate are both 0 or neither is");
  }
  return options;
}

// Takes a list such as `0,2-3`. Reads the mask back, since the kernel may grant less than was asked for.
static void pinProcess(const char *list) {
  cpu_set_t asked, granted;
  CPU_ZERO(&asked);
  for (const char *at = list;;) {
    char *end;
    const long first = strtol(at, &end, 10);
    long last = first;
    bool isNumber = end != at;
    if (isNumber && *end == '-') {
      at = end + 1;
      last = strtol(at, &end, 10);
      isNumber = end != at;
    }
    if (!isNumber || first < 0 || last < first || last >= CPU_SETSIZE || (*end != ',' && *end != '\0')) {
      stop(exitBadArgument, "--cpus is '%s', not a list like 0,2-3", list);
    }
    for (long cpu = first; cpu <= last; ++cpu) CPU_SET((int)cpu, &asked);
    if (*end == '\0') break;
    at = end + 1;
  }
  if (sched_setaffinity(0, sizeof asked, &asked) != 0 || sched_getaffinity(0, sizeof granted, &granted) != 0 ||
      !CPU_EQUAL(&asked, &granted)) {
    stop(exitBadArgument, "--cpus %s was not granted", list);
  }
}
