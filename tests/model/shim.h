/* Comes in front of the code under test: its threads, locks and memory are the model's. */

#include "model.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define pthread_mutex_t struct model_mutex
#define pthread_cond_t struct model_cond
#define pthread_t model_thread
#define pthread_mutex_init(mutex, attributes) model_mutex_init(mutex)
#define pthread_mutex_destroy model_mutex_destroy
#define pthread_mutex_lock model_mutex_lock
#define pthread_mutex_unlock model_mutex_unlock
#define pthread_cond_init(cond, attributes) model_cond_init(cond)
#define pthread_cond_destroy model_cond_destroy
#define pthread_cond_wait model_cond_wait
#define pthread_cond_signal model_cond_signal
#define pthread_cond_broadcast model_cond_broadcast
#define pthread_create(thread, attributes, run, argument) model_thread_create(thread, run, argument)
#define pthread_join(thread, result) model_thread_join(thread)
#define pthread_self() 0
#define pthread_setname_np(thread, name) ((void)(name))
#define pthread_sigmask(how, set, old) ((void)(set), (void)(old))
#define free model_free

void model_free(void *memory);
