#include "json_parser.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unwind.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string_view>
#include <vector>

#include "unique_fd.h"

namespace percore {

namespace {

struct Range {
  uintptr_t start, end;
};

// Published once, and never freed: a thread may look at any time.
std::atomic<const std::vector<Range>*> ranges{nullptr};

// An address, and the file that holds it with the address at which that was loaded. dladdr1 tells the same, but musl
// does not have it.
struct Place {
  uintptr_t inside;
  const char* path = nullptr;
  uintptr_t bias = 0;
};

int findPlace(dl_phdr_info* object, size_t, void* data) {
  auto* const place = static_cast<Place*>(data);
  for (size_t i = 0; i < object->dlpi_phnum; i++) {
    const auto& part = object->dlpi_phdr[i];
    const uintptr_t from = object->dlpi_addr + part.p_vaddr;
    if (part.p_type != PT_LOAD || place->inside < from || place->inside - from >= part.p_memsz) continue;
    place->path = object->dlpi_name;
    place->bias = object->dlpi_addr;
    return 1;
  }
  return 0;
}

// The file that V8 lies in, mapped to be read.
struct Image {
  const char* bytes = nullptr;
  size_t length = 0;
  uintptr_t bias = 0;

  Image() {
    void* const inside = dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv");
    Place place{reinterpret_cast<uintptr_t>(inside)};
    if (!inside || dl_iterate_phdr(findPlace, &place) == 0) return;
    const UniqueFd fd(open(place.path[0] ? place.path : "/proc/self/exe", O_RDONLY | O_CLOEXEC));
    struct stat status;
    if (!fd || fstat(fd.get(), &status) != 0 || size_t(status.st_size) < sizeof(ElfW(Ehdr))) return;
    void* const mapped = mmap(nullptr, size_t(status.st_size), PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (mapped == MAP_FAILED) return;
    bytes = static_cast<const char*>(mapped);
    length = size_t(status.st_size);
    bias = place.bias;
  }
  ~Image() {
    if (bytes) munmap(const_cast<char*>(bytes), length);
  }
  // Null where the file is shorter than it says.
  template <class T>
  const T* at(uint64_t offset, uint64_t count) const {
    return bytes && offset % alignof(T) == 0 && offset <= length && count <= (length - offset) / sizeof(T)
               ? reinterpret_cast<const T*>(bytes + offset)
               : nullptr;
  }
};

// The functions that parse and run no JavaScript: the others of the class may call a reviver.
bool isParser(std::string_view name) {
  const size_t parser = name.find("10JsonParserI");
  return parser != std::string_view::npos && name.find("ParseJson", parser) != std::string_view::npos;
}

std::vector<Range> rangesOf(const Image& image) {
  std::vector<Range> found;
  const auto* head = image.at<ElfW(Ehdr)>(0, 1);
  if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_shentsize != sizeof(ElfW(Shdr))) return found;
  const auto* sections = image.at<ElfW(Shdr)>(head->e_shoff, head->e_shnum);
  for (int i = 0; sections && i < head->e_shnum; i++) {
    const ElfW(Shdr)& section = sections[i];
    if ((section.sh_type != SHT_SYMTAB && section.sh_type != SHT_DYNSYM) || section.sh_link >= head->e_shnum) continue;
    const ElfW(Shdr)& texts = sections[section.sh_link];
    const uint64_t count = section.sh_size / sizeof(ElfW(Sym));
    const auto* symbols = image.at<ElfW(Sym)>(section.sh_offset, count);
    const auto* text = image.at<char>(texts.sh_offset, texts.sh_size);
    if (!symbols || !text || texts.sh_size == 0 || text[texts.sh_size - 1] != 0) continue;
    for (uint64_t at = 0; at < count; at++) {
      const ElfW(Sym)& symbol = symbols[at];
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_size == 0 || symbol.st_name >= texts.sh_size) continue;
      if (isParser(text + symbol.st_name))
        found.push_back({image.bias + symbol.st_value, image.bias + symbol.st_value + symbol.st_size});
    }
  }
  return found;
}

struct Walk {
  const std::vector<Range>& ranges;
  int left;
  bool isFound = false;
};

_Unwind_Reason_Code look(_Unwind_Context* context, void* data) {
  auto& walk = *static_cast<Walk*>(data);
  // What is returned to may lie behind the end of a function that does not return.
  const uintptr_t address = uintptr_t(_Unwind_GetIP(context)) - 1;
  for (const Range& range : walk.ranges)
    if (address >= range.start && address < range.end) walk.isFound = true;
  return walk.isFound || --walk.left == 0 ? _URC_END_OF_STACK : _URC_NO_REASON;
}

}  // namespace

void findJsonParser() {
  static std::once_flag once;
  std::call_once(once, [] { ranges.store(new std::vector<Range>(rangesOf(Image())), std::memory_order_release); });
}

bool isInJsonParser() {
  constexpr int kMostFrames = 64;
  const auto* known = ranges.load(std::memory_order_acquire);
  if (!known || known->empty()) return false;
  Walk walk{*known, kMostFrames};
  _Unwind_Backtrace(look, &walk);
  return walk.isFound;
}

}  // namespace percore
