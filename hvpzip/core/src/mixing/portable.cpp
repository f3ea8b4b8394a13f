// The mixing coder for every processor, and the choice between the two.

#define HVPZIP_ISA portable
#include "mixing/coder.h"

namespace hvpzip::mixing {

const Coder& portable_coder() {
    static const Coder coder = {portable::encode, portable::decode};
    return coder;
}

const Coder& fastest_coder() {
#if defined(__GNUC__) && defined(__x86_64__)
    if (avx2_coder() != nullptr && __builtin_cpu_supports("avx2")) return *avx2_coder();
#endif
    return portable_coder();
}

}  // namespace hvpzip::mixing
