// Where decisions go to and come from: one rANS lane with 32-bit words, as in hvpzip/ans. Integer arithmetic only: this file reaches the bit
// stream.
//
// A stack gives back last what was pushed first. So the Writer keeps the decisions, and pushes them from the last to the first at the end. The
// bytes are those of ans.to_bytes: words as they were given off, then the state, 4 to 8 bytes, without leading zeros.
#pragma once

#include "mixing/mixing.h"
#include "mixing/numeric.h"

namespace hvpzip::mixing::HVPZIP_ISA {

constexpr std::uint64_t kStart = std::uint64_t{1} << 31;
constexpr int kChanceBits = 16;

class Writer {
public:
    Writer() = default;
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() {
        for (int i = 0; i < blocks_; ++i) std::free(block_[i]);
        std::free(block_);
    }

    // chance: of a one, 1 .. 65535 in 1/65536.
    bool code(bool bit, std::uint32_t chance) {
        if (used_ == kBlock) grow();
        block_[blocks_ - 1][used_++] = chance << 1 | (bit ? 1 : 0);
        return bit;
    }

    void finish(Output& output) const {
        constexpr std::size_t kSome = 4096;
        std::uint8_t bytes[4 * kSome + 8];
        std::size_t filled = 0;
        std::uint64_t state = kStart;
        for (int i = blocks_ - 1; i >= 0; --i) {
            const std::size_t count = i == blocks_ - 1 ? used_ : kBlock;
            for (std::size_t k = count; k-- > 0;) {
                const std::uint64_t chance = block_[i][k] >> 1;
                const bool bit = block_[i][k] & 1;
                const std::uint64_t freq = bit ? chance : 65536 - chance, start = bit ? 0 : chance;
                if (state >= freq << (63 - kChanceBits)) {
                    for (int b = 0; b < 4; ++b) bytes[filled++] = static_cast<std::uint8_t>(state >> (8 * b));
                    state >>= 32;
                    if (filled == 4 * kSome) output.write(bytes, filled), filled = 0;
                }
                state = ((state / freq) << kChanceBits) + state % freq + start;
            }
        }
        for (; state; state >>= 8) bytes[filled++] = static_cast<std::uint8_t>(state);
        output.write(bytes, filled);
    }

private:
    static constexpr std::size_t kBlock = std::size_t{1} << 18;

    void grow() {
        std::uint32_t** more = static_cast<std::uint32_t**>(std::realloc(block_, sizeof(std::uint32_t*) * (blocks_ + 1)));
        if (more == nullptr) throw std::bad_alloc();
        block_ = more;
        block_[blocks_] = static_cast<std::uint32_t*>(std::malloc(sizeof(std::uint32_t) * kBlock));
        if (block_[blocks_] == nullptr) throw std::bad_alloc();
        ++blocks_;
        used_ = 0;
    }

    std::uint32_t** block_ = nullptr;
    int blocks_ = 0;
    std::size_t used_ = kBlock;  // of the last block
};

class Reader {
public:
    Reader(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes) {
        if (size < 4 || bytes[size - 1] == 0 || (size == 4 && bytes[3] < 0x80)) throw Corrupt("not the bytes of a message");
        const std::size_t bits = 8 * (size - 1) + static_cast<std::size_t>(floor_log2(bytes[size - 1])) + 1;
        words_ = bits / 32 - 1;
        for (std::size_t i = size; i-- > 4 * words_;) state_ = state_ << 8 | bytes[i];
    }

    bool code(bool, std::uint32_t chance) {
        const std::uint32_t place = static_cast<std::uint32_t>(state_) & 65535;
        const bool bit = place < chance;
        state_ = (state_ >> kChanceBits) * (bit ? chance : 65536 - chance) + (bit ? place : place - chance);
        if (state_ < kStart) {
            if (words_ == 0) throw Corrupt("the message ends too early");
            const std::uint8_t* word = bytes_ + 4 * --words_;
            state_ = state_ << 32 | (static_cast<std::uint32_t>(word[0]) | static_cast<std::uint32_t>(word[1]) << 8 |
                                     static_cast<std::uint32_t>(word[2]) << 16 | static_cast<std::uint32_t>(word[3]) << 24);
        }
        return bit;
    }

    void finish() const {
        if (words_ != 0 || state_ != kStart) throw Corrupt("the message does not end where its samples do");
    }

private:
    const std::uint8_t* bytes_;
    std::size_t words_ = 0;
    std::uint64_t state_ = 0;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
