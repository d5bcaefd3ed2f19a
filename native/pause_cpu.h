// Tells the CPU that this is a spin: a hyperthread beside it runs faster, and a hypervisor may notice.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace percore {

inline void pauseCpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace percore
