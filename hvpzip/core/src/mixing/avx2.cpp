// The mixing coder compiled with AVX2 (CMakeLists.txt gives the flag to files of this ending, and compiles them as one).

#if defined(__AVX2__)
#define HVPZIP_ISA avx2
#include "mixing/coder.h"
#else
#include "mixing/mixing.h"
#endif

namespace hvpzip::mixing {

const Coder* avx2_coder() {
#if defined(__AVX2__)
    static const Coder coder = {avx2::encode, avx2::decode};
    return &coder;
#else
    return nullptr;
#endif
}

}  // namespace hvpzip::mixing
