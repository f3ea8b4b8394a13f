// The cascade geometry compiled with AVX2 (CMakeLists.txt gives the flag to files of this ending, and compiles them as one).

#if defined(__AVX2__)
#define HVPZIP_ISA avx2
#include "mixing/cascade_session.h"
#else
#include "mixing/cascade.h"
#endif

namespace hvpzip::mixing {

const CascadeMaker* avx2_cascade() {
#if defined(__AVX2__)
    static const CascadeMaker maker = {avx2::new_writer, avx2::new_reader};
    return &maker;
#else
    return nullptr;
#endif
}

}  // namespace hvpzip::mixing
