// Reads and writes at random within a number of bytes, to show what memory costs for a data structure of that size.
//
//   random_access CPU BYTES ACCESSES chained|independent
//
// chained: each address is known only when the access before it is done, as in a list or a tree. independent: all
// addresses are known in advance, so that the processor has several accesses under way. An access reads and writes one
// word of a cache line.
//
// Prints {"accessNs":..,"verified":true}: every line was visited as often as it should have been.
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LINE 64

typedef struct {
  uint32_t next;    // The next line, in a random circle through all lines.
  uint32_t visits;
} Word;

static uint64_t state = 88172645463325252u;

// Marsaglia's xorshift: cheap, and good enough to defeat a prefetcher.
static uint64_t randomNumber(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static double nowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static Word *wordOf(char *memory, uint32_t line) { return (Word *)(memory + (size_t)line * LINE); }

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: random_access CPU BYTES ACCESSES chained|independent\n");
    return 2;
  }
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(atoi(argv[1]), &cpus);
  const uint32_t lines = (uint32_t)(strtoull(argv[2], NULL, 10) / LINE);
  const uint64_t accesses = strtoull(argv[3], NULL, 10);
  const int isChained = strcmp(argv[4], "chained") == 0;
  if (lines < 16 || accesses == 0 || (!isChained && strcmp(argv[4], "independent") != 0) ||
      sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
    fprintf(stderr, "random_access: bad arguments\n");
    return 2;
  }
  char *memory = mmap(NULL, (size_t)lines * LINE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint32_t *order = malloc(sizeof(uint32_t) * lines);
  if (memory == MAP_FAILED || order == NULL) {
    perror("random_access");
    return 1;
  }
  for (uint32_t i = 0; i < lines; i++) order[i] = i;
  for (uint32_t i = lines - 1; i > 0; i--) {
    const uint32_t other = (uint32_t)(randomNumber() % (i + 1)), kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }
  for (uint32_t i = 0; i < lines; i++) wordOf(memory, order[i])->next = order[(i + 1) % lines];

  const double start = nowNs();
  if (isChained) {
    uint32_t line = order[0];
    for (uint64_t i = 0; i < accesses; i++) {
      Word *word = wordOf(memory, line);
      word->visits++;
      line = word->next;
    }
  } else {
    for (uint64_t i = 0, at = 0; i < accesses; i++, at = at + 1 == lines ? 0 : at + 1)
      wordOf(memory, order[at])->visits++;
  }
  const double elapsed = nowNs() - start;

  int isRight = 1;
  for (uint32_t i = 0; i < lines; i++)
    isRight &= wordOf(memory, order[i])->visits == accesses / lines + (i < accesses % lines);
  printf("{\"accessNs\":%.2f,\"verified\":%s}\n", elapsed / (double)accesses, isRight ? "true" : "false");
  return isRight ? 0 : 1;
}
