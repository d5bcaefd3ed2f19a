/*
 * What Node and libstdc++, as they are compiled for glibc, ask of it that musl does not have: a dozen names. With a
 * library of them a Node of the registry runs on musl's loader and C library, so that tests load the addon that was
 * compiled for musl. Found by comparing the names with `nm -D`. For tests alone: what Node does not need here
 * (contexts) answers that it has failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

char __libc_single_threaded = 0;
/* V8 asks for it only where pthread_getattr_np has failed. */
void *__libc_stack_end = NULL;
/* libgcc_s has these as hidden versions, which musl's loader does not find. All zero: no processor is known. */
unsigned int __cpu_model[4];
int __cpu_indicator_init(void) { return 0; }

const char *gnu_get_libc_version(void) { return "2.28"; }
char **backtrace_symbols(void *const *buffer, int size) { (void)buffer; (void)size; return NULL; }
int getcontext(void *context) { (void)context; errno = ENOSYS; return -1; }
int setcontext(const void *context) { (void)context; errno = ENOSYS; return -1; }
void makecontext(void *context, void (*run)(void), int count, ...) { (void)context; (void)run; (void)count; }

int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *handle) {
  (void)handle;
  return pthread_atfork(prepare, parent, child);
}

int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return fcntl(fd, command, argument);
}

uint32_t arc4random(void) {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) abort();
  return number;
}

size_t strftime_l(char *, size_t, const char *, const struct tm *, locale_t);
size_t __strftime_l(char *to, size_t most, const char *format, const struct tm *time, locale_t locale) {
  return strftime_l(to, most, format, time, locale);
}

/* Without it V8 would say that it has failed, and not where. libgcc_s, which Node needs anyway, walks the stack. */
struct walk { void **buffer; int size, count; };
extern int _Unwind_Backtrace(int (*step)(void *, void *), void *walk);
extern uintptr_t _Unwind_GetIP(void *frame);
static int step(void *frame, void *data) {
  struct walk *walk = data;
  if (walk->count == walk->size) return 5; /* _URC_END_OF_STACK */
  walk->buffer[walk->count++] = (void *)_Unwind_GetIP(frame);
  return 0;
}
int backtrace(void **buffer, int size) {
  struct walk walk = {buffer, size, 0};
  _Unwind_Backtrace(step, &walk);
  return walk.count;
}

/* Destructors of what C++ calls thread_local. */
struct ending { void (*run)(void *); void *object; struct ending *next; };
static pthread_key_t endings;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void run_endings(void *first) {
  for (struct ending *each = first; each != NULL;) {
    struct ending *next = each->next;
    each->run(each->object);
    free(each);
    each = next;
  }
}
static void make_key(void) { pthread_key_create(&endings, run_endings); }
int __cxa_thread_atexit_impl(void (*run)(void *), void *object, void *library) {
  (void)library;
  pthread_once(&once, make_key);
  struct ending *ending = malloc(sizeof *ending);
  if (ending == NULL) return -1;
  *ending = (struct ending){run, object, pthread_getspecific(endings)};
  return pthread_setspecific(endings, ending);
}

/* Where the table for unwinding lies that belongs to an address, which exceptions of C++ ask for. */
struct found {
  unsigned long long flags;
  void *start, *end;
  struct link_map *map;
  void *frames;
  unsigned long long more[7];
};
struct asked { uintptr_t address; struct found *found; };
static int look(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  struct asked *asked = data;
  uintptr_t start = UINTPTR_MAX, end = 0, frames = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    const uintptr_t at = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_GNU_EH_FRAME) frames = at;
    if (header->p_type != PT_LOAD) continue;
    if (at < start) start = at;
    if (at + header->p_memsz > end) end = at + header->p_memsz;
  }
  if (asked->address < start || asked->address >= end || frames == 0) return 0;
  *asked->found = (struct found){.start = (void *)start, .end = (void *)end, .frames = (void *)frames};
  return 1;
}
/* By its name in the library alone: newer headers declare it with a type of theirs. */
int find_object(void *address, struct found *found) __asm__("_dl_find_object");
int find_object(void *address, struct found *found) {
  struct asked asked = {(uintptr_t)address, found};
  return dl_iterate_phdr(look, &asked) == 1 ? 0 : -1;
}
