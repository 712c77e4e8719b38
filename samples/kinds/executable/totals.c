#include <stdio.h>
#include <stdlib.h>

int main(void) {
    const double invoices[] = {19.0, 21.5, 19.5};
    const char *month = getenv("BOTYARD_PARAM_MONTH"), *folder = getenv("BOTYARD_ARTIFACTS");
    double total = 0;
    char path[4096];
    for (int i = 0; i < 3; i++) total += invoices[i];
    printf("totals of %s: 3 invoices, %.2f\n", month ? month : "this month", total);
    snprintf(path, sizeof path, "%s/totals.csv", folder ? folder : ".");
    FILE *table = fopen(path, "w");
    if (table == NULL) return 1;
    fprintf(table, "month,invoices,total\n%s,3,%.2f\n", month ? month : "this month", total);
    return fclose(table);
}
