/* A peer on Cyclone DDS's C library, with a type of idlc: `cyclone_peer DOMAIN (listen|talk) COUNT`. */
#include <dds/dds.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "String.h"

static void say_user_data(dds_entity_t reader) {
  dds_instance_handle_t handles[8];
  int count = dds_get_matched_publications(reader, handles, 8);
  for (int i = 0; i < count && i < 8; i++) {
    dds_builtintopic_endpoint_t *found = dds_get_matched_publication_data(reader, handles[i]);
    void *data = NULL;
    size_t size = 0;
    if (found != NULL && dds_qget_userdata(found->qos, &data, &size) && data != NULL)
      printf("user data %.*s\n", (int)size, (char *)data);
    dds_free(data);
    if (found != NULL) dds_builtintopic_free_endpoint(found);
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  int count = atoi(argv[3]);
  dds_entity_t participant = dds_create_participant((dds_domainid_t)atoi(argv[1]), NULL, NULL);
  dds_entity_t topic = dds_create_topic(participant, &std_msgs_msg_dds__String__desc, "rt/chatter", NULL, NULL);
  dds_qos_t *qos = dds_create_qos();
  dds_qset_reliability(qos, DDS_RELIABILITY_RELIABLE, DDS_SECS(10));
  dds_qset_history(qos, DDS_HISTORY_KEEP_LAST, 1000);
  if (participant < 0 || topic < 0) return 1;
  if (strcmp(argv[2], "listen") == 0) {
    dds_entity_t reader = dds_create_reader(participant, topic, qos, NULL);
    printf("ready\n");
    for (int got = 0; got < count;) {
      void *samples[1] = {NULL};
      dds_sample_info_t info;
      if (dds_take(reader, samples, &info, 1, 1) <= 0) {
        dds_sleepfor(DDS_MSECS(1));
        continue;
      }
      if (info.valid_data) {
        if (got == 0) say_user_data(reader);
        printf("string %s\n", ((std_msgs_msg_dds__String_ *)samples[0])->data);
        got++;
      }
      dds_return_loan(reader, samples, 1);
    }
  } else {
    dds_entity_t writer = dds_create_writer(participant, topic, qos, NULL);
    dds_publication_matched_status_t status = {0};
    printf("ready\n");
    while (status.current_count == 0) {
      dds_get_publication_matched_status(writer, &status);
      dds_sleepfor(DDS_MSECS(1));
    }
    printf("matched %u\n", status.current_count);
    /* Until the other side says that it has found this one, too. */
    getchar();
    for (int i = 0; i < count; i++) {
      char text[64];
      snprintf(text, sizeof(text), "from Cyclone %d", i);
      std_msgs_msg_dds__String_ message = {text};
      dds_write(writer, &message);
    }
    dds_wait_for_acks(writer, DDS_SECS(20));
    printf("sent %d\n", count);
    while (getchar() != EOF) continue;
  }
  dds_delete_qos(qos);
  dds_delete(participant);
  printf("done\n");
  return 0;
}
