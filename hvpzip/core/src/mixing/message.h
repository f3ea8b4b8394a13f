// Where decisions go to and come from: one rANS lane with 32-bit words, as in hvpzip/ans. Integer arithmetic only: this file reaches the bit
// stream.
//
// A stack gives back last what was pushed first. So decisions are kept, and pushed from the last to the first at the end. The
// bytes are those of ans.to_bytes: words as they were given off, then the state, 4 to 8 bytes, without leading zeros.
#pragma once

#include "mixing/mixing.h"
#include "mixing/numeric.h"

namespace hvpzip::mixing::HVPZIP_ISA {

constexpr std::uint64_t kStart = std::uint64_t{1} << 31;
constexpr int kChanceBits = 16;

// Takes decisions, or finds them. A call for each, so that the engine is compiled once.
struct Message {
    virtual ~Message() = default;
    // A decision whose chance of a one is `chance`, 1 .. 65535 in 1/65536: `bit`, where it is written, else what is found.
    virtual bool code(bool bit, std::uint32_t chance) = 0;
};

// Decisions in their order, to be written.
class Decisions final : public Message {
public:
    Decisions() = default;
    Decisions(const Decisions&) = delete;
    Decisions& operator=(const Decisions&) = delete;
    ~Decisions() override {
        for (int i = 0; i < blocks_; ++i) std::free(block_[i]);
        std::free(block_);
    }

    bool code(bool bit, std::uint32_t chance) override {
        if (used_ == kBlock) grow();
        Block& last = *block_[blocks_ - 1];
        last.chance[used_] = static_cast<std::uint16_t>(chance);
        last.bits[used_ >> 6] |= static_cast<std::uint64_t>(bit) << (used_ & 63);
        ++used_;
        return bit;
    }

private:
    friend class Writer;
    static constexpr std::size_t kBlock = std::size_t{1} << 15;
    // Tens of millions are kept of a large group: 17 bits each.
    struct Block {
        std::uint16_t chance[kBlock];
        std::uint64_t bits[kBlock / 64];
    };

    void grow() {
        Block** more = static_cast<Block**>(std::realloc(block_, sizeof(Block*) * (blocks_ + 1)));
        if (more == nullptr) throw std::bad_alloc();
        block_ = more;
        block_[blocks_] = static_cast<Block*>(std::calloc(1, sizeof(Block)));
        if (block_[blocks_] == nullptr) throw std::bad_alloc();
        ++blocks_;
        used_ = 0;
    }

    Block** block_ = nullptr;
    int blocks_ = 0;
    std::size_t used_ = kBlock;  // of the last block
};

// One message from decisions: the last ones are pushed first.
class Writer {
public:
    explicit Writer(Output& output) : output_(output) { output.begin(); }
    void push(const Decisions& decisions) {
        for (int i = decisions.blocks_ - 1; i >= 0; --i) {
            const std::size_t count = i == decisions.blocks_ - 1 ? decisions.used_ : Decisions::kBlock;
            const Decisions::Block& block = *decisions.block_[i];
            for (std::size_t k = count; k-- > 0;) {
                const std::uint64_t chance = block.chance[k];
                const bool bit = block.bits[k >> 6] >> (k & 63) & 1;
                const std::uint64_t freq = bit ? chance : 65536 - chance, start = bit ? 0 : chance;
                if (state_ >= freq << (63 - kChanceBits)) {
                    for (int b = 0; b < 4; ++b) bytes_[filled_++] = static_cast<std::uint8_t>(state_ >> (8 * b));
                    state_ >>= 32;
                    if (filled_ == 4 * kSome) output_.write(bytes_, filled_), filled_ = 0;
                }
                state_ = ((state_ / freq) << kChanceBits) + state_ % freq + start;
            }
        }
    }
    void finish() {
        for (; state_; state_ >>= 8) bytes_[filled_++] = static_cast<std::uint8_t>(state_);
        output_.write(bytes_, filled_);
    }

private:
    static constexpr std::size_t kSome = 4096;
    Output& output_;
    std::uint64_t state_ = kStart;
    std::size_t filled_ = 0;
    std::uint8_t bytes_[4 * kSome + 8];
};

class Reader final : public Message {
public:
    explicit Reader(Bytes message) : bytes_(message.data) {
        const std::uint8_t* const bytes = message.data;
        const std::size_t size = message.size;
        if (size < 4 || bytes[size - 1] == 0 || (size == 4 && bytes[3] < 0x80)) throw Corrupt("not the bytes of a message");
        const std::size_t bits = 8 * (size - 1) + static_cast<std::size_t>(floor_log2(bytes[size - 1])) + 1;
        words_ = bits / 32 - 1;
        for (std::size_t i = size; i-- > 4 * words_;) state_ = state_ << 8 | bytes[i];
    }

    bool code(bool, std::uint32_t chance) override {
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
