// The cascade geometry for every processor, and the choice between the two.

#define HVPZIP_ISA portable
#include "mixing/cascade_session.h"

namespace hvpzip::mixing {

const CascadeMaker& portable_cascade() {
    static const CascadeMaker maker = {portable::new_writer, portable::new_reader};
    return maker;
}

const CascadeMaker& fastest_cascade() {
#if defined(__GNUC__) && defined(__x86_64__)
    if (avx2_cascade() != nullptr && __builtin_cpu_supports("avx2")) return *avx2_cascade();
#endif
    return portable_cascade();
}

}  // namespace hvpzip::mixing
