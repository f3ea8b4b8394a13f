// Eight floats side by side, in strict IEEE arithmetic: every operation is rounded on its own, so all processors give the same bits.
//
// Included inside a namespace, once for each instruction set (head_loops.h).

constexpr int LANES = 8;

#if defined(__GNUC__) || defined(__clang__)

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t IntLanes __attribute__((vector_size(4 * LANES)));

HVPZIP_INLINE Lanes all(float value) { return value - Lanes{}; }
HVPZIP_INLINE Lanes smaller(Lanes a, Lanes b) { return a < b ? a : b; }
HVPZIP_INLINE Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }
HVPZIP_INLINE Lanes choose(Lanes a, Lanes b, Lanes less, Lanes otherwise) { return a < b ? less : otherwise; }  // a < b ? less : otherwise
HVPZIP_INLINE IntLanes bits(Lanes a) { return (IntLanes)a; }
HVPZIP_INLINE Lanes from_bits(IntLanes a) { return (Lanes)a; }
HVPZIP_INLINE IntLanes whole(Lanes a) { return __builtin_convertvector(a, IntLanes); }
HVPZIP_INLINE Lanes real(IntLanes a) { return __builtin_convertvector(a, Lanes); }

#else

template <typename T>
struct Eight {
    T at[LANES];
    T& operator[](int i) { return at[i]; }
    T operator[](int i) const { return at[i]; }
};
using Lanes = Eight<float>;
using IntLanes = Eight<int32_t>;

#define HVPZIP_EACH(TYPE, EXPRESSION)                       \
    TYPE found;                                             \
    for (int i = 0; i < LANES; ++i) found[i] = EXPRESSION;  \
    return found;
#define HVPZIP_OPERATOR(TYPE, SCALAR, OPERATOR)                                                                   \
    HVPZIP_INLINE TYPE operator OPERATOR(TYPE a, TYPE b) { HVPZIP_EACH(TYPE, a[i] OPERATOR b[i]) }                \
    HVPZIP_INLINE TYPE operator OPERATOR(TYPE a, SCALAR b) { HVPZIP_EACH(TYPE, a[i] OPERATOR b) }                 \
    HVPZIP_INLINE TYPE operator OPERATOR(SCALAR a, TYPE b) { HVPZIP_EACH(TYPE, a OPERATOR b[i]) }
HVPZIP_OPERATOR(Lanes, float, +)
HVPZIP_OPERATOR(Lanes, float, -)
HVPZIP_OPERATOR(Lanes, float, *)
HVPZIP_OPERATOR(Lanes, float, /)
HVPZIP_OPERATOR(IntLanes, int32_t, +)
HVPZIP_OPERATOR(IntLanes, int32_t, -)
HVPZIP_OPERATOR(IntLanes, int32_t, &)
HVPZIP_OPERATOR(IntLanes, int32_t, |)
HVPZIP_OPERATOR(IntLanes, int32_t, >>)
HVPZIP_OPERATOR(IntLanes, int32_t, <<)
HVPZIP_INLINE Lanes operator-(Lanes a) { HVPZIP_EACH(Lanes, -a[i]) }
HVPZIP_INLINE Lanes& operator+=(Lanes& a, Lanes b) { return a = a + b; }
HVPZIP_INLINE Lanes all(float value) { HVPZIP_EACH(Lanes, value) }
HVPZIP_INLINE Lanes smaller(Lanes a, Lanes b) { HVPZIP_EACH(Lanes, a[i] < b[i] ? a[i] : b[i]) }
HVPZIP_INLINE Lanes larger(Lanes a, Lanes b) { HVPZIP_EACH(Lanes, a[i] > b[i] ? a[i] : b[i]) }
HVPZIP_INLINE Lanes choose(Lanes a, Lanes b, Lanes less, Lanes otherwise) { HVPZIP_EACH(Lanes, a[i] < b[i] ? less[i] : otherwise[i]) }
HVPZIP_INLINE IntLanes bits(Lanes a) { IntLanes found; std::memcpy(&found, &a, sizeof a); return found; }
HVPZIP_INLINE Lanes from_bits(IntLanes a) { Lanes found; std::memcpy(&found, &a, sizeof a); return found; }
HVPZIP_INLINE IntLanes whole(Lanes a) { HVPZIP_EACH(IntLanes, static_cast<int32_t>(a[i])) }
HVPZIP_INLINE Lanes real(IntLanes a) { HVPZIP_EACH(Lanes, static_cast<float>(a[i])) }

#endif

HVPZIP_INLINE Lanes load(const float* from) {
    Lanes found;
    std::memcpy(&found, from, sizeof found);
    return found;
}
HVPZIP_INLINE void store(float* to, Lanes value) { std::memcpy(to, &value, sizeof value); }

// Polynomials fitted to a relative error of 3e-8 and less; codec/adaptation/search.py has the same.

// Far below what a probability's floor leaves to see, and products of a few such numbers are still normal: others take a hundred times as long.
constexpr float LARGEST_EXPONENT = 40.0f;

HVPZIP_INLINE Lanes exp2_of(Lanes x) {
    x = larger(smaller(x, all(LARGEST_EXPONENT)), all(-LARGEST_EXPONENT));
    const Lanes nearest = (x + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23: rounds to whole numbers
    const Lanes f = x - nearest;
    Lanes sum = f * 0.00015345810970757157f + 0.0013399930903688073f;
    sum = sum * f + 0.009618489071726799f;
    sum = sum * f + 0.05550328642129898f;
    sum = sum * f + 0.24022646248340607f;
    sum = sum * f + 0.6931471824645996f;
    sum = sum * f + 1.0f;
    return sum * from_bits((whole(nearest) + 127) << 23);
}

// x positive and normal.
HVPZIP_INLINE Lanes log2_of(Lanes x) {
    const IntLanes pattern = bits(x);
    Lanes exponent = real((pattern >> 23) - 127);
    Lanes m = from_bits((pattern & 0x7fffff) | 0x3f800000);
    const Lanes root = all(1.4142135381698608f);
    exponent = choose(root, m, exponent + 1.0f, exponent);
    m = choose(root, m, m * 0.5f, m);
    const Lanes s = (m - 1.0f) / (m + 1.0f), square = s * s;
    Lanes sum = square * 0.3407014310359955f + 0.4116745889186859f;
    sum = sum * square + 0.5770835280418396f;
    sum = sum * square + 0.9617967009544373f;
    sum = sum * square + 2.885390043258667f;
    return exponent + s * sum;
}

// The normal distribution at z: cumulative, and density times sqrt(2 pi).
struct Normal {
    Lanes cumulative, density;
};

HVPZIP_INLINE Normal normal_of(Lanes z) {
    const Lanes x = larger(z, -z) * 0.7071067690849304f;
    const Lanes density = exp2_of(x * x * -1.4426950216293335f);
    const Lanes t = 1.0f / (x * 0.4f + 1.0f);
    Lanes sum = t * 0.030304579064249992f - 0.08495262265205383f;
    sum = sum * t - 0.035614319145679474f;
    sum = sum * t + 0.23185816407203674f;
    sum = sum * t - 0.025517668575048447f;
    sum = sum * t + 0.2412732094526291f;
    sum = sum * t + 0.18868669867515564f;
    sum = sum * t + 0.22845804691314697f;
    sum = sum * t + 0.22550395131111145f;
    const Lanes tail = sum * t * density * 0.5f;  // half of erfc(x)
    return {choose(z, all(0.0f), tail, 1.0f - tail), density};
}
