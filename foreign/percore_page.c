/*
 * Prints one counter of each party of a counters page: percore_page PATH [COUNTER]. The text of the page says where
 * each counter lies, so this knows the first bytes alone.
 *
 *     cc -O2 -o percore_page percore_page.c && ./percore_page /dev/shm/percore-1234 received
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAGIC = 0x50435047, SEQUENCE_AT = 8, TEXT_AT = 64, TEXT_BYTES_AT = 68, MOST_PARTIES = 256, MOST_TRIES = 10000 };

static int32_t intAt(const char* page, size_t at) {
  return __atomic_load_n((const int32_t*)(page + at), __ATOMIC_ACQUIRE);
}

/* The byte at which `field` of `structure` lies, or its size; -1 where the text does not name it. */
static long find(const char* text, const char* structure, const char* field) {
  char key[128];
  snprintf(key, sizeof key, "%s %s ", structure, field);
  for (const char* line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : line)
    if (strncmp(line, key, strlen(key)) == 0) return strtol(line + strlen(key), NULL, 10);
  return -1;
}

int main(int count, char** arguments) {
  if (count < 2) return fprintf(stderr, "usage: percore_page PATH [COUNTER]\n"), 2;
  const char* counter = count > 2 ? arguments[2] : "received";
  struct stat status;
  const int fd = open(arguments[1], O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0) return perror(arguments[1]), 1;
  const char* page = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED || intAt(page, 0) != MAGIC) return fprintf(stderr, "no counters page\n"), 1;
  const long textBytes = intAt(page, TEXT_BYTES_AT);
  if (textBytes < 0 || intAt(page, TEXT_AT) < 0 || intAt(page, TEXT_AT) + textBytes > status.st_size) return 1;
  char* text = calloc(1, (size_t)textBytes + 1);
  if (!text) return 1;
  memcpy(text, page + intAt(page, TEXT_AT), (size_t)textBytes);
  const long at = find(text, "Party", counter), size = find(text, "Party", "size");
  if (at < 0) return fprintf(stderr, "there is no counter %s\n", counter), 1;
  const int32_t begin = intAt(page, (size_t)find(text, "Page", "partiesAt"));
  const int32_t parties = intAt(page, (size_t)find(text, "Page", "parties"));
  if (parties < 0 || parties > MOST_PARTIES || begin < 0 || begin + parties * size > status.st_size) return 1;
  double values[MOST_PARTIES];
  int32_t before;
  /* Writing takes microseconds. A process that was killed meanwhile never comes to an end. */
  int tries = 0;
  do {
    if (tries++ == MOST_TRIES) return fprintf(stderr, "the page is being written all the time\n"), 1;
    if (tries > 1) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    /* Odd: it is being written. Another one afterwards: it was written meanwhile. */
    before = intAt(page, SEQUENCE_AT);
    for (int32_t i = 0; i < parties; i++) memcpy(&values[i], page + begin + i * size + at, sizeof values[i]);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
  } while (before % 2 != 0 || intAt(page, SEQUENCE_AT) != before);
  for (int32_t i = 0; i < parties; i++) printf("%d %.0f\n", i, values[i]);
  free(text);
  return 0;
}
