/* Looks at a card's memory from the card itself; changes nothing but the two counters of its report.
 *
 * NVRTC compiles this for the card at hand. The emulated driver compiles the same text with a C compiler,
 * so it is plain C except for the words that only a card knows. Any shape of launch gives the same result.
 */

#ifdef __CUDACC_RTC__
#define KERNEL extern "C" __global__
#endif

#define WORDS_PER_BLOCK_BITS 19 /* 2 MiB of 4-byte words: a block of pattern.py */

/* Counts the words that are not what the pattern says: report[0] how many, report[1] the lowest index. */
KERNEL void count_differing(const unsigned int *words, unsigned long long count, unsigned long long first_block,
                            unsigned int multiplier, unsigned int salt, unsigned long long *report) {
    const unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
    unsigned long long differing = 0, lowest = ~0ULL;
    for (unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        const unsigned int block = (unsigned int)(first_block + (i >> WORDS_PER_BLOCK_BITS));
        if (words[i] != ((block * multiplier) ^ salt)) {
            differing++;
            if (i < lowest) lowest = i;
        }
    }
    if (differing) {
        atomicAdd(&report[0], differing);
        atomicMin(&report[1], lowest);
    }
}

/* Counts the 16-byte units that equal a mark: report[0] how many, report[1] the lowest index. */
KERNEL void count_marks(const unsigned int *words, unsigned long long units, unsigned int a, unsigned int b,
                        unsigned int c, unsigned int d, unsigned long long *report) {
    const unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
    unsigned long long marks = 0, lowest = ~0ULL;
    for (unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; i < units; i += step) {
        const unsigned int *unit = words + 4 * i;
        if (unit[0] == a && unit[1] == b && unit[2] == c && unit[3] == d) {
            marks++;
            if (i < lowest) lowest = i;
        }
    }
    if (marks) {
        atomicAdd(&report[0], marks);
        atomicMin(&report[1], lowest);
    }
}
