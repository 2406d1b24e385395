/* The machine that the stand-in for libnvidia-ml.so.1 pretends to be.
 *
 * It lives in a text file that the environment variable SHARY_FAKE_NVML names, so that it outlives
 * processes, is shared by them, and can be changed by a test at any time. A line is a thing, its kind
 * comes first, then `key=value` in any order; `name` comes last and may hold blanks. A number that is
 * missing or `-` is not supported by the card:
 *
 *   machine driver=580.159.04 cuda=13000 root=1 latency_us=0
 *   gpu pci=0000:65:00.0 uuid=GPU-1111 memory_mib=81559 used_mib=4 ... name=NVIDIA H100 80GB HBM3
 *   profile gpu=0 index=0 id=19 slices=1 most=7 memory_mib=9984 sms=16 size=1 starts=0,1,2 name=MIG 1g.10gb
 *   gi gpu=0 id=1 profile=19 start=0
 *   ci gpu=0 gi=1 id=0 profile=0 slices=1 uuid=MIG-2222
 *   process gpu=0 pid=4711 used_mib=1024 gi=1
 *   link gpu=0 link=0 active=1 switch=0 pci=0000:b3:00.0
 *   ancestor a=0 b=1 level=30
 *   event seq=1 gpu=0 type=8 data=79
 *
 * Writers take the lock on FILE.lock and replace the file as a whole; readers never see half of it.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <nvml.h>

#define MAX 32
#define MAX_LINKS 18
#define MAX_PROFILES 192
#define MAX_PARTS 224
#define MAX_EVENTS 256
#define GI_PER_GPU 16
#define CI_PER_GI 8
#define UNKNOWN (~0ULL)
#define EXPORT __attribute__((visibility("default")))

typedef unsigned long long number;

#define MACHINE_TEXTS(X) X(driver, 81)
#define MACHINE_NUMBERS(X) X(cuda) X(root) X(latency_us) X(init_latency_us)

#define GPU_TEXTS(X) X(pci, 32) X(uuid, 96) X(serial, 32) X(vbios, 33) X(name, 96)
#define GPU_NUMBERS(X) \
    X(memory_mib) X(used_mib) X(util) X(temp) X(cores) X(lost) X(broken) X(held) \
    X(mig) X(mig_pending) X(mig_needs_reset) X(creates_left) \
    X(compute_mode) X(persistence) X(ecc) X(ecc_pending) X(ecc_volatile) X(ecc_aggregate) \
    X(retired_sbe) X(retired_dbe) X(retired_pending) \
    X(remap_corr) X(remap_unc) X(remap_pending) X(remap_failed) X(reasons) \
    X(draw_mw) X(power_mw) X(power_default_mw) X(power_min_mw) X(power_max_mw) \
    X(app_graphics) X(app_memory) X(default_graphics) X(default_memory) X(max_graphics) X(max_memory) \
    X(lock_graphics_min) X(lock_graphics_max) X(lock_memory_min) X(lock_memory_max) X(numa) X(cpus)

#define PROFILE_TEXTS(X) X(starts, 64) X(name, 96)
#define PROFILE_NUMBERS(X) X(gpu) X(index) X(id) X(slices) X(most) X(memory_mib) X(sms) X(size)

#define GI_TEXTS(X)
#define GI_NUMBERS(X) X(gpu) X(id) X(profile) X(start)

#define CI_TEXTS(X) X(uuid, 96)
#define CI_NUMBERS(X) X(gpu) X(gi) X(id) X(profile) X(slices) X(memory_mib) X(used_mib)

#define PROCESS_TEXTS(X)
#define PROCESS_NUMBERS(X) X(gpu) X(pid) X(used_mib) X(gi)

#define LINK_TEXTS(X) X(pci, 32)
#define LINK_NUMBERS(X) X(gpu) X(link) X(active) X(is_switch)

#define ANCESTOR_TEXTS(X)
#define ANCESTOR_NUMBERS(X) X(a) X(b) X(level)

#define EVENT_TEXTS(X)
#define EVENT_NUMBERS(X) X(seq) X(gpu) X(type) X(data) X(gi)

#define TEXT_MEMBER(key, size) char key[size];
#define NUMBER_MEMBER(key) number key;
#define THING(type, TEXTS, NUMBERS) typedef struct { TEXTS(TEXT_MEMBER) NUMBERS(NUMBER_MEMBER) } type;
THING(host_t, MACHINE_TEXTS, MACHINE_NUMBERS)
THING(gpu_t, GPU_TEXTS, GPU_NUMBERS)
THING(profile_t, PROFILE_TEXTS, PROFILE_NUMBERS)
THING(gi_t, GI_TEXTS, GI_NUMBERS)
THING(ci_t, CI_TEXTS, CI_NUMBERS)
THING(process_t, PROCESS_TEXTS, PROCESS_NUMBERS)
THING(link_t_, LINK_TEXTS, LINK_NUMBERS)
THING(ancestor_t, ANCESTOR_TEXTS, ANCESTOR_NUMBERS)
THING(event_t, EVENT_TEXTS, EVENT_NUMBERS)

typedef struct {
    host_t host;
    gpu_t gpus[MAX]; unsigned int n_gpus;
    profile_t profiles[MAX_PROFILES]; unsigned int n_profiles;
    gi_t gis[MAX_PARTS]; unsigned int n_gis;
    ci_t cis[MAX_PARTS]; unsigned int n_cis;
    process_t processes[MAX_PARTS]; unsigned int n_processes;
    link_t_ links[MAX * MAX_LINKS]; unsigned int n_links;
    ancestor_t ancestors[MAX * MAX]; unsigned int n_ancestors;
    event_t events[MAX_EVENTS]; unsigned int n_events;
} machine_t;

/* What a handle stands for: a card, or a slice of it when ci is set. */
typedef struct { unsigned int index; gpu_t *gpu; gi_t *gi; ci_t *ci; profile_t *profile; } found_t;

extern int running;

machine_t *read_machine(void);               /* NULL: there is no driver */
machine_t *begin_change(void);               /* locked until end_change */
void end_change(void);                       /* writes and unlocks */
void drop_change(void);                      /* only unlocks */
void wait_for_driver(const machine_t *m);    /* the time that a real driver needs for an answer */

nvmlDevice_t gpu_handle(unsigned int gpu);
nvmlDevice_t slice_handle(const ci_t *ci);
nvmlReturn_t find(nvmlDevice_t device, machine_t *m, found_t *found);
profile_t *profile_by_id(machine_t *m, unsigned int gpu, number id);
int has_profiles(const machine_t *m, unsigned int gpu);
int is_in_use(const machine_t *m, unsigned int gpu, number gi); /* gi UNKNOWN: by anybody at all */
void split_pci(const char *text, unsigned int part[4]);
void fill_pci(const char *text, nvmlPciInfo_t *pci);
nvmlReturn_t put(char *out, unsigned int length, const char *text);

/* Opens a function: m is the machine and f what the handle stands for. */
#define LOOK(device)                                                \
    found_t f;                                                      \
    machine_t *m = running ? read_machine() : NULL;                 \
    if (!running) return NVML_ERROR_UNINITIALIZED;                  \
    nvmlReturn_t looked = find(device, m, &f);                      \
    if (looked != NVML_SUCCESS) return looked
#define CARDS_ONLY if (f.ci) return NVML_ERROR_NOT_SUPPORTED
#define ASK_DRIVER(device)                                          \
    LOOK(device);                                                   \
    wait_for_driver(m);                                             \
    if (f.gpu->broken == 1) return NVML_ERROR_RESET_REQUIRED
#define ASK_CARD(device) ASK_DRIVER(device); CARDS_ONLY
#define SUPPORTED(value) if ((value) == UNKNOWN) return NVML_ERROR_NOT_SUPPORTED

#endif
