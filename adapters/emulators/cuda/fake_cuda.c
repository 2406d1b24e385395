/* A stand-in for libcuda.so.1 on machines without a card.
 *
 * It answers from a text file that the environment variable SHARY_FAKE_CUDA names, read once by cuInit:
 *
 *   driver 13000
 *   gpu pci=0000:65:00.0 uuid=GPU-… memory_mib=64 reserve_mib=2 store=/path/of/the/memory mig=0 name=NVIDIA H100
 *   mig gpu=0 uuid=MIG-… start_mib=0 memory_mib=16 name=NVIDIA H100 MIG 1g.10gb
 *
 * The memory of a card is the file `store`. It outlives processes, so what one process wrote lies in what the next
 * one allocates. Who has which part stands in `store`.table; what a dead process had is free again, not erased.
 *
 * A gpu line may also carry faults:
 *
 *   stuck_at=N stuck_mask=N   the byte N, of which these bits are always 1
 *   alias_mib=N               memory above answers for the memory below
 *   oom_mib=N                 more is refused, though it is free
 *   ecc_at=N                  the Nth wait for the card reports a memory error
 *   hang=NAME hang_after=N    that function never returns, once it was called N times
 *   exclusive=1               another process has the card for itself
 *   no_cubin=1                modules are refused as made for another card
 *
 * As on real cards, functions of the driver and kernels get their code onto the card when they are first used: code_kib
 * of its memory for each, or CUDA_ERROR_OUT_OF_MEMORY.
 *
 * Prototypes, structures and numbers are those of the real cuda.h. Modules are checked to be ELF files for NVIDIA
 * cards with the entry asked for; what runs then is our own kernels.cu, compiled for this machine.
 */

#define _GNU_SOURCE
#include <cuda.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX 32
#define LINE 1024
#define MIB (1ULL << 20)
#define GRAIN 512ULL
#define ENTRIES 8192
#define NVIDIA_CARD 190 /* EM_CUDA */

/* --- the machine ------------------------------------------------------------------------------- */

typedef struct {
    char pci[32], uuid[96], name[96], store[512], hang[64];
    unsigned long long memory, reserve, stuck_at, alias, oom, code;
    unsigned int mig, stuck_mask, ecc_at, hang_after, exclusive, no_cubin;
} card_t;
typedef struct { unsigned int card; char uuid[96], name[96]; unsigned long long start, memory; } slice_t;
typedef struct { card_t *card; const char *uuid, *name; unsigned long long start, memory; } device_t;
/* One row for each allocation of any process. */
typedef struct { int pid; unsigned long long start, size; } row_t;

static card_t cards[MAX];
static slice_t slices[MAX];
static device_t devices[MAX];
static unsigned int n_cards, n_slices, n_devices;
static int driver = 13000, ready;

/* The context of this process: one card's memory, mapped. */
static device_t *current;
static unsigned char *memory;
static row_t *table;
static int table_file = -1, retained;
static unsigned int waits, loaded, calls;

static void text_of(const char *line, const char *key, char *out, size_t size) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, " %s=", key);
    const char *found = strstr(line, wanted);
    out[0] = 0;
    if (!found) return;
    found += strlen(wanted);
    size_t length = strcmp(key, "name") == 0 ? strcspn(found, "\n") : strcspn(found, " \n");
    if (length >= size) length = size - 1;
    memcpy(out, found, length);
    out[length] = 0;
}

static unsigned long long number_of(const char *line, const char *key) {
    char text[32];
    text_of(line, key, text, sizeof text);
    return strtoull(text, NULL, 0);
}

static int read_machine(void) {
    const char *path = getenv("SHARY_FAKE_CUDA");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    char line[LINE];
    n_cards = n_slices = 0;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "driver ", 7) == 0) driver = atoi(line + 7);
        if (strncmp(line, "gpu ", 4) == 0 && n_cards < MAX) {
            card_t *c = &cards[n_cards++];
            memset(c, 0, sizeof *c);
            text_of(line, "pci", c->pci, sizeof c->pci);
            text_of(line, "uuid", c->uuid, sizeof c->uuid);
            text_of(line, "name", c->name, sizeof c->name);
            text_of(line, "store", c->store, sizeof c->store);
            text_of(line, "hang", c->hang, sizeof c->hang);
            c->memory = number_of(line, "memory_mib") * MIB;
            c->reserve = number_of(line, "reserve_mib") * MIB;
            c->alias = number_of(line, "alias_mib") * MIB;
            c->code = number_of(line, "code_kib") << 10;
            c->oom = number_of(line, "oom_mib") * MIB;
            c->stuck_at = number_of(line, "stuck_at");
            c->stuck_mask = (unsigned int)number_of(line, "stuck_mask");
            c->hang_after = (unsigned int)number_of(line, "hang_after");
            c->ecc_at = (unsigned int)number_of(line, "ecc_at");
            c->mig = (unsigned int)number_of(line, "mig");
            c->exclusive = (unsigned int)number_of(line, "exclusive");
            c->no_cubin = (unsigned int)number_of(line, "no_cubin");
        }
        if (strncmp(line, "mig ", 4) == 0 && n_slices < MAX) {
            slice_t *s = &slices[n_slices++];
            text_of(line, "uuid", s->uuid, sizeof s->uuid);
            text_of(line, "name", s->name, sizeof s->name);
            s->card = (unsigned int)number_of(line, "gpu");
            s->start = number_of(line, "start_mib") * MIB;
            s->memory = number_of(line, "memory_mib") * MIB;
        }
    }
    fclose(file);
    return 1;
}

static void show_card(card_t *c) {
    if (n_devices < MAX) devices[n_devices++] = (device_t){c, c->uuid, c->name, 0, c->memory};
}

static void show_slice(slice_t *s) {
    /* As on real machines: a process sees one slice at most. */
    if (n_devices == 0) devices[n_devices++] = (device_t){&cards[s->card], s->uuid, s->name, s->start, s->memory};
}

/* Cards and slices, as far as CUDA_VISIBLE_DEVICES lets this process see them. */
static void list_devices(void) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    n_devices = 0;
    if (!visible) {
        for (unsigned int i = 0; i < n_cards; i++)
            if (!cards[i].mig) show_card(&cards[i]);
        for (unsigned int i = 0; i < n_slices; i++) show_slice(&slices[i]);
        return;
    }
    char list[LINE], *rest = list, *name;
    snprintf(list, sizeof list, "%s", visible);
    while ((name = strsep(&rest, ","))) {
        unsigned int before = n_devices;
        for (unsigned int i = 0; i < n_cards && *name; i++)
            if (!cards[i].mig && strncmp(cards[i].uuid, name, strlen(name)) == 0) show_card(&cards[i]);
        for (unsigned int i = 0; i < n_slices && *name; i++)
            if (strncmp(slices[i].uuid, name, strlen(name)) == 0) show_slice(&slices[i]);
        if (n_devices == before) return; /* what stands after a wrong name is not seen */
    }
}

static void maybe_hang(const char *function) {
    if (!current || strcmp(current->card->hang, function) != 0 || calls++ < current->card->hang_after) return;
    signal(SIGTERM, SIG_IGN);
    for (;;) pause();
}

/* --- memory ------------------------------------------------------------------------------------ */

static int is_dead(int pid) { return kill(pid, 0) != 0 && errno == ESRCH; }

/* Rows with a pid are in use. Returns the bytes taken; the caller holds the lock. */
static unsigned long long taken(void) {
    unsigned long long sum = 0;
    for (int i = 0; i < ENTRIES; i++) {
        if (table[i].pid && is_dead(table[i].pid)) table[i].pid = 0;
        if (table[i].pid && table[i].start >= current->start && table[i].start < current->start + current->memory)
            sum += table[i].size;
    }
    return sum;
}

static row_t *overlapping(unsigned long long start, unsigned long long size) {
    for (int i = 0; i < ENTRIES; i++)
        if (table[i].pid && start < table[i].start + table[i].size && table[i].start < start + size) return &table[i];
    return NULL;
}

static int take(unsigned long long start, unsigned long long size) {
    for (int i = 0; i < ENTRIES; i++)
        if (!table[i].pid) {
            table[i] = (row_t){getpid(), start, size};
            return 1;
        }
    return 0;
}

/* Takes the first room that is large enough; the caller holds the lock. */
static CUresult find_room(unsigned long long size, unsigned long long *found) {
    unsigned long long start = current->start, end = current->start + current->memory;
    row_t *row;
    if (current->card->oom && taken() + size > current->card->oom) return CUDA_ERROR_OUT_OF_MEMORY;
    while (start + size <= end && (row = overlapping(start, size))) start = row->start + row->size;
    if (start + size > end || !take(start, size)) return CUDA_ERROR_OUT_OF_MEMORY;
    *found = start;
    return CUDA_SUCCESS;
}

/* The first use of a piece of code, by its number. */
static CUresult load_code(unsigned int number) {
    unsigned long long start;
    if (!current->card->code || loaded & (1U << number)) return CUDA_SUCCESS;
    flock(table_file, LOCK_EX);
    taken();
    CUresult result = find_room(current->card->code, &start);
    flock(table_file, LOCK_UN);
    if (result == CUDA_SUCCESS) loaded |= 1U << number;
    return result;
}

static CUresult open_memory(device_t *device) {
    card_t *c = device->card;
    char name[600];
    int file = open(c->store, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || (lseek(file, 0, SEEK_END) < (off_t)c->memory && ftruncate(file, (off_t)c->memory) != 0))
        return CUDA_ERROR_UNKNOWN;
    memory = mmap(NULL, c->memory, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) return CUDA_ERROR_UNKNOWN;
    if (c->alias) /* the address line above is broken: the same cells once more */
        mmap(memory + c->alias, c->memory - c->alias, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    close(file);
    snprintf(name, sizeof name, "%s.table", c->store);
    table_file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (table_file < 0 || ftruncate(table_file, ENTRIES * sizeof(row_t)) != 0) return CUDA_ERROR_UNKNOWN;
    table = mmap(NULL, ENTRIES * sizeof(row_t), PROT_READ | PROT_WRITE, MAP_SHARED, table_file, 0);
    return table == MAP_FAILED ? CUDA_ERROR_UNKNOWN : CUDA_SUCCESS;
}

static void hold_stuck_bits(void) {
    card_t *c = current->card;
    if (c->stuck_mask) memory[c->stuck_at] |= (unsigned char)c->stuck_mask;
}

static int is_ours(CUdeviceptr at, unsigned long long bytes) {
    unsigned long long start = (unsigned long long)(at - (CUdeviceptr)memory);
    row_t *row = overlapping(start, bytes ? bytes : 1);
    return row && row->pid == getpid() && start >= row->start && start + bytes <= row->start + row->size;
}

#define READY if (!ready) return CUDA_ERROR_NOT_INITIALIZED
#define CONTEXT READY; if (!current || !retained) return CUDA_ERROR_INVALID_CONTEXT; maybe_hang(__func__)

CUresult EXPORT cuInit(unsigned int flags) {
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (!read_machine()) return CUDA_ERROR_NO_DEVICE;
    list_devices();
    ready = n_devices > 0;
    return ready ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

CUresult EXPORT cuDriverGetVersion(int *version) {
    read_machine();
    *version = driver;
    return CUDA_SUCCESS;
}

CUresult EXPORT cuDeviceGetCount(int *count) {
    READY;
    *count = (int)n_devices;
    return CUDA_SUCCESS;
}

CUresult EXPORT cuDeviceGet(CUdevice *device, int ordinal) {
    READY;
    if (ordinal < 0 || ordinal >= (int)n_devices) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

#define DEVICE(number) READY; if (number < 0 || number >= (int)n_devices) return CUDA_ERROR_INVALID_DEVICE; \
    device_t *device = &devices[number]

CUresult EXPORT cuDeviceGetByPCIBusId(CUdevice *found, const char *wanted) {
    READY;
    for (unsigned int i = 0; i < n_devices; i++)
        if (strcasecmp(devices[i].card->pci, wanted) == 0) {
            *found = (int)i;
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_INVALID_DEVICE;
}

CUresult EXPORT cuDeviceGetPCIBusId(char *pci, int length, CUdevice number) {
    DEVICE(number);
    if ((int)strlen(device->card->pci) >= length) return CUDA_ERROR_INVALID_VALUE;
    strcpy(pci, device->card->pci);
    return CUDA_SUCCESS;
}

CUresult EXPORT cuDeviceGetName(char *name, int length, CUdevice number) {
    DEVICE(number);
    snprintf(name, (size_t)length, "%s", device->name);
    return CUDA_SUCCESS;
}

CUresult EXPORT cuDeviceGetUuid(CUuuid *uuid, CUdevice number) {
    DEVICE(number);
    const char *text = strchr(device->uuid, '-') + 1;
    for (int i = 0; i < 16; text += 2) {
        unsigned int byte = 0;
        if (*text == '-') text++;
        sscanf(text, "%2x", &byte);
        uuid->bytes[i++] = (char)byte;
    }
    return CUDA_SUCCESS;
}

CUresult EXPORT cuDeviceTotalMem(size_t *bytes, CUdevice number) {
    DEVICE(number);
    *bytes = device->memory;
    return CUDA_SUCCESS;
}

CUresult EXPORT cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice number) {
    DEVICE(number);
    (void)device;
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = 9; return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = 0; return CUDA_SUCCESS;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = 2; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult EXPORT cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice number) {
    DEVICE(number);
    if (device->card->exclusive) return CUDA_ERROR_DEVICE_UNAVAILABLE;
    if (current && current != device) return CUDA_ERROR_NOT_SUPPORTED; /* one card for each process is enough here */
    if (!current) {
        CUresult opened = open_memory(device);
        if (opened != CUDA_SUCCESS) return opened;
        current = device;
    }
    if (!retained) {
        /* The driver keeps a little of the memory for itself, at the far end. */
        flock(table_file, LOCK_EX);
        unsigned long long end = device->start + device->memory;
        int has = taken() + device->card->reserve <= device->memory;
        row_t *row;
        while (has && (row = overlapping(end - device->card->reserve, device->card->reserve))) {
            end = row->start;
            has = end >= device->start + device->card->reserve;
        }
        if (has && device->card->reserve) has = take(end - device->card->reserve, device->card->reserve);
        flock(table_file, LOCK_UN);
        if (!has) return CUDA_ERROR_OUT_OF_MEMORY;
    }
    retained++;
    *context = (CUcontext)device;
    return CUDA_SUCCESS;
}

CUresult EXPORT cuDevicePrimaryCtxRelease(CUdevice number) {
    DEVICE(number);
    if (current != device || !retained) return CUDA_ERROR_INVALID_CONTEXT;
    if (--retained) return CUDA_SUCCESS;
    loaded = 0;
    flock(table_file, LOCK_EX);
    for (int i = 0; i < ENTRIES; i++)
        if (table[i].pid == getpid()) table[i].pid = 0;
    flock(table_file, LOCK_UN);
    return CUDA_SUCCESS;
}

CUresult EXPORT cuCtxSetCurrent(CUcontext context) {
    READY;
    return context == (CUcontext)current && current ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult EXPORT cuCtxSynchronize(void) {
    CONTEXT;
    if (current->card->ecc_at && ++waits >= current->card->ecc_at) return CUDA_ERROR_ECC_UNCORRECTABLE;
    return CUDA_SUCCESS;
}

CUresult EXPORT cuMemGetInfo(size_t *free, size_t *total) {
    CONTEXT;
    flock(table_file, LOCK_EX);
    *total = current->memory;
    *free = current->memory - taken();
    flock(table_file, LOCK_UN);
    return CUDA_SUCCESS;
}

CUresult EXPORT cuMemAlloc(CUdeviceptr *at, size_t bytes) {
    CONTEXT;
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    unsigned long long size = (bytes + GRAIN - 1) / GRAIN * GRAIN;
    unsigned long long start;
    flock(table_file, LOCK_EX);
    taken(); /* forgets the dead */
    CUresult result = find_room(size, &start);
    flock(table_file, LOCK_UN);
    if (result == CUDA_SUCCESS) *at = (CUdeviceptr)(memory + start);
    return result;
}

CUresult EXPORT cuMemFree(CUdeviceptr at) {
    CONTEXT;
    for (int i = 0; i < ENTRIES; i++)
        if (table[i].pid == getpid() && (CUdeviceptr)(memory + table[i].start) == at) {
            table[i].pid = 0; /* and the bytes stay where they are */
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult EXPORT cuMemsetD32(CUdeviceptr at, unsigned int word, size_t count) {
    CONTEXT;
    if (!is_ours(at, count * 4)) return CUDA_ERROR_INVALID_VALUE;
    if (load_code(0) != CUDA_SUCCESS) return CUDA_ERROR_OUT_OF_MEMORY;
    unsigned int *words = (unsigned int *)at;
    for (size_t i = 0; i < count; i++) words[i] = word;
    hold_stuck_bits();
    return CUDA_SUCCESS;
}

CUresult EXPORT cuMemsetD32Async(CUdeviceptr at, unsigned int word, size_t count, CUstream stream) {
    (void)stream;
    CONTEXT;
    return cuMemsetD32(at, word, count);
}

CUresult EXPORT cuMemcpyDtoH(void *to, CUdeviceptr from, size_t bytes) {
    CONTEXT;
    if (!is_ours(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
    memcpy(to, (const void *)from, bytes);
    return CUDA_SUCCESS;
}

CUresult EXPORT cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t bytes) {
    CONTEXT;
    if (!is_ours(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
    memcpy((void *)to, from, bytes);
    hold_stuck_bits();
    return CUDA_SUCCESS;
}

CUresult EXPORT cuMemHostAlloc(void **at, size_t bytes, unsigned int flags) {
    (void)flags;
    CONTEXT;
    return posix_memalign(at, 4096, bytes) == 0 ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult EXPORT cuMemFreeHost(void *at) {
    CONTEXT;
    free(at);
    return CUDA_SUCCESS;
}

/* --- kernels ----------------------------------------------------------------------------------- */

typedef struct { unsigned int x, y, z; } place_t;
static __thread place_t gridDim, blockDim, blockIdx, threadIdx;

static void atomicAdd(unsigned long long *at, unsigned long long value) { *at += value; }
static void atomicMin(unsigned long long *at, unsigned long long value) { if (value < *at) *at = value; }

#define KERNEL static
#include "kernels.cu"

typedef enum { COUNT_DIFFERING = 1, COUNT_MARKS } kernel_t;
static const char *const kernel_names[] = {NULL, "count_differing", "count_marks"};

static unsigned long long size_of(const Elf64_Ehdr *elf) {
    return elf->e_shoff + (unsigned long long)elf->e_shnum * elf->e_shentsize;
}

CUresult EXPORT cuModuleLoadData(CUmodule *module, const void *image) {
    CONTEXT;
    const Elf64_Ehdr *elf = image;
    if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || elf->e_machine != NVIDIA_CARD || !elf->e_shoff)
        return CUDA_ERROR_INVALID_IMAGE;
    if (current->card->no_cubin) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    void *copy = malloc(size_of(elf));
    if (!copy) return CUDA_ERROR_OUT_OF_MEMORY;
    memcpy(copy, image, size_of(elf));
    *module = copy;
    return CUDA_SUCCESS;
}

CUresult EXPORT cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    CONTEXT;
    char section[128];
    /* Each entry of a cubin has a section .text.NAME. */
    int length = snprintf(section, sizeof section, ".text.%s", name) + 1;
    if (!memmem(module, size_of((const Elf64_Ehdr *)module), section, (size_t)length)) return CUDA_ERROR_NOT_FOUND;
    for (size_t kernel = COUNT_DIFFERING; kernel <= COUNT_MARKS; kernel++)
        if (strcmp(kernel_names[kernel], name) == 0) {
            *function = (CUfunction)kernel;
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_NOT_SUPPORTED; /* a kernel that this stand-in does not know */
}

CUresult EXPORT cuModuleUnload(CUmodule module) {
    CONTEXT;
    free(module);
    return CUDA_SUCCESS;
}

#define ARGUMENT(type, number) (*(type *)arguments[number])

CUresult EXPORT cuLaunchKernel(CUfunction function, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
                               unsigned int by, unsigned int bz, unsigned int shared, CUstream stream,
                               void **arguments, void **extra) {
    CONTEXT;
    (void)shared, (void)stream;
    if (extra || !arguments || !gx || !bx || bx > 1024 || gy * gz * by * bz != 1) return CUDA_ERROR_INVALID_VALUE;
    kernel_t kernel = (kernel_t)(size_t)function;
    const unsigned int *words = ARGUMENT(const unsigned int *, 0);
    unsigned long long units = ARGUMENT(unsigned long long, 1), *report;
    report = ARGUMENT(unsigned long long *, kernel == COUNT_DIFFERING ? 5 : 6);
    if (!is_ours((CUdeviceptr)words, units * (kernel == COUNT_DIFFERING ? 4 : 16)) ||
        !is_ours((CUdeviceptr)report, 16))
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    if (load_code(kernel) != CUDA_SUCCESS) return CUDA_ERROR_OUT_OF_MEMORY;
    gridDim.x = gx, blockDim.x = bx;
    for (blockIdx.x = 0; blockIdx.x < gx; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < bx; threadIdx.x++)
            if (kernel == COUNT_DIFFERING)
                count_differing(words, units, ARGUMENT(unsigned long long, 2), ARGUMENT(unsigned int, 3),
                                ARGUMENT(unsigned int, 4), report);
            else
                count_marks(words, units, ARGUMENT(unsigned int, 2), ARGUMENT(unsigned int, 3),
                            ARGUMENT(unsigned int, 4), ARGUMENT(unsigned int, 5), report);
    return CUDA_SUCCESS;
}

/* --- words, and the way to all of it ----------------------------------------------------------- */

CUresult EXPORT cuGetErrorName(CUresult error, const char **name) {
    switch (error) {
    case CUDA_SUCCESS: *name = "CUDA_SUCCESS"; break;
    case CUDA_ERROR_OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case CUDA_ERROR_ECC_UNCORRECTABLE: *name = "CUDA_ERROR_ECC_UNCORRECTABLE"; break;
    default: *name = "CUDA_ERROR_UNKNOWN"; break;
    }
    return CUDA_SUCCESS;
}

CUresult EXPORT cuGetErrorString(CUresult error, const char **text) { return cuGetErrorName(error, text); }

CUresult EXPORT cuGetProcAddress(const char *symbol, void **function, int version, cuuint64_t flags,
                                 CUdriverProcAddressQueryResult *found);

/* NVIDIA's other libraries ask here for what no header shows. There is nothing of it. */
CUresult EXPORT cuGetExportTable(const void **export_table, const CUuuid *id) {
    (void)id;
    *export_table = NULL;
    return CUDA_ERROR_NOT_FOUND;
}

/* The header's macros give each name the newest version of its function. */
#define ENTRY(name) {#name, (void *)name}
static const struct { const char *name; void *function; } entries[] = {
    ENTRY(cuInit), ENTRY(cuDriverGetVersion), ENTRY(cuDeviceGetCount), ENTRY(cuDeviceGet),
    ENTRY(cuDeviceGetByPCIBusId), ENTRY(cuDeviceGetPCIBusId), ENTRY(cuDeviceGetName), ENTRY(cuDeviceGetUuid),
    ENTRY(cuDeviceTotalMem), ENTRY(cuDeviceGetAttribute), ENTRY(cuDevicePrimaryCtxRetain),
    ENTRY(cuDevicePrimaryCtxRelease), ENTRY(cuCtxSetCurrent), ENTRY(cuCtxSynchronize), ENTRY(cuMemGetInfo),
    ENTRY(cuMemAlloc), ENTRY(cuMemFree), ENTRY(cuMemsetD32), ENTRY(cuMemsetD32Async), ENTRY(cuMemcpyDtoH),
    ENTRY(cuMemcpyHtoD), ENTRY(cuMemHostAlloc), ENTRY(cuMemFreeHost), ENTRY(cuModuleLoadData),
    ENTRY(cuModuleGetFunction), ENTRY(cuModuleUnload), ENTRY(cuLaunchKernel), ENTRY(cuGetErrorName),
    ENTRY(cuGetErrorString), ENTRY(cuGetExportTable), ENTRY(cuGetProcAddress),
};

CUresult EXPORT cuGetProcAddress(const char *symbol, void **function, int version, cuuint64_t flags,
                                 CUdriverProcAddressQueryResult *found) {
    (void)version, (void)flags;
    *function = NULL;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (strcmp(entries[i].name, symbol) == 0) *function = entries[i].function;
    if (found) *found = *function ? CU_GET_PROC_ADDRESS_SUCCESS : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return *function || found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
