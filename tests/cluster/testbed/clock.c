/* A host's own idea of the time of day: loaded into every dynamically linked program of that host
 * through its /etc/ld.so.preload. Needs no header, so that any C compiler alone can build it.
 * Only the time of day is moved; what was asked for as "until that time of day" is moved back. */

typedef struct { long seconds, nanoseconds; } moment;

extern void *dlsym(void *, const char *);
extern int open(const char *, int, ...);
extern long read(int, void *, unsigned long);
extern int close(int);
extern long long atoll(const char *);

#define NEXT(name, result, ...) ((result (*)(__VA_ARGS__)) dlsym((void *) -1, name))
#define BILLION 1000000000L

static int known;
static long offset; /* nanoseconds */

static long offset_of_this_host(void)
{
    char text[32];
    int file;
    long length;
    if (known)
        return offset;
    file = open("/etc/clock-offset", 0);
    if (file >= 0) {
        length = read(file, text, sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
        offset = atoll(text);
        close(file);
    }
    known = 1;
    return offset;
}

static void shift(moment *when, long by)
{
    long nanoseconds = when->nanoseconds + by % BILLION;
    when->seconds += by / BILLION;
    if (nanoseconds >= BILLION) {
        nanoseconds -= BILLION;
        when->seconds++;
    } else if (nanoseconds < 0) {
        nanoseconds += BILLION;
        when->seconds--;
    }
    when->nanoseconds = nanoseconds;
}

/* CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI */
static int is_time_of_day(int clock) { return clock == 0 || clock == 5 || clock == 11; }

int clock_gettime(int clock, moment *now)
{
    static int (*next)(int, moment *);
    int result;
    if (!next)
        next = NEXT("clock_gettime", int, int, moment *);
    result = next(clock, now);
    if (!result && is_time_of_day(clock))
        shift(now, offset_of_this_host());
    return result;
}

int gettimeofday(moment *now, void *zone)
{
    int result = 0;
    (void) zone;
    if (now) {
        result = clock_gettime(0, now);
        now->nanoseconds /= 1000;
    }
    return result;
}

long time(long *into)
{
    moment now;
    clock_gettime(5, &now);
    if (into)
        *into = now.seconds;
    return now.seconds;
}

int timespec_get(moment *now, int base)
{
    return base == 1 && !clock_gettime(0, now) ? base : 0;
}

/* The kernel's moment of a deadline that was computed from ours. A deadline on the monotonic clock
 * is told by its size: that clock starts with the machine. */
static const moment *kernel_time(const moment *deadline, moment *into)
{
    if (!deadline || deadline->seconds < BILLION)
        return deadline;
    *into = *deadline;
    shift(into, -offset_of_this_host());
    return into;
}

int sem_timedwait(void *semaphore, const moment *deadline)
{
    moment moved;
    return NEXT("sem_timedwait", int, void *, const moment *)(
        semaphore, kernel_time(deadline, &moved));
}

int sem_clockwait(void *semaphore, int clock, const moment *deadline)
{
    moment moved;
    return NEXT("sem_clockwait", int, void *, int, const moment *)(
        semaphore, clock, kernel_time(deadline, &moved));
}

int pthread_cond_timedwait(void *condition, void *mutex, const moment *deadline)
{
    moment moved;
    return NEXT("pthread_cond_timedwait", int, void *, void *, const moment *)(
        condition, mutex, kernel_time(deadline, &moved));
}

int pthread_cond_clockwait(void *condition, void *mutex, int clock, const moment *deadline)
{
    moment moved;
    return NEXT("pthread_cond_clockwait", int, void *, void *, int, const moment *)(
        condition, mutex, clock, kernel_time(deadline, &moved));
}

int pthread_mutex_timedlock(void *mutex, const moment *deadline)
{
    moment moved;
    return NEXT("pthread_mutex_timedlock", int, void *, const moment *)(
        mutex, kernel_time(deadline, &moved));
}

int clock_nanosleep(int clock, int absolute, const moment *wanted, moment *left)
{
    moment moved;
    if (absolute && is_time_of_day(clock))
        wanted = kernel_time(wanted, &moved);
    return NEXT("clock_nanosleep", int, int, int, const moment *, moment *)(
        clock, absolute, wanted, left);
}
