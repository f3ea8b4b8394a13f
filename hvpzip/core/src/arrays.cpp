#include "arrays.h"

#include <cstring>

namespace hvpzip {

bool Memory::take(PyObject* object, Kind kind, std::size_t item, bool writable, int dimensions, std::size_t* shape) noexcept {
    if (PyObject_GetBuffer(object, &view_, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) != 0) {
        PyErr_Clear();
        return false;
    }
    // Letters of Python's struct module, of which several have one size; a byte order in front of them means another than this machine's.
    static constexpr const char* kLetters[] = {"bhilq", "BHILQ", "fd", "?"};
    const char* const format = view_.format;
    const bool fits = format != nullptr && std::strlen(format) == 1 && std::strchr(kLetters[kind], format[0]) != nullptr &&
                      static_cast<std::size_t>(view_.itemsize) == item && view_.ndim == dimensions;
    if (fits)
        for (int i = 0; i < dimensions; ++i) shape[i] = static_cast<std::size_t>(view_.shape[i]);
    return fits;
}

Memory::~Memory() {
    if (view_.obj != nullptr) PyBuffer_Release(&view_);
}

}  // namespace hvpzip
