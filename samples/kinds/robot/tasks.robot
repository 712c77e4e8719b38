*** Settings ***
Documentation     Totals of a month's invoices.
Library           OperatingSystem

*** Variables ***
@{INVOICES}       19.0    21.5    19.5

*** Tasks ***
Add Up The Invoices
    ${month}=    Get Environment Variable    BOTYARD_PARAM_MONTH    this month
    ${total}=    Evaluate    sum(float(amount) for amount in $INVOICES)
    ${line}=    Set Variable    totals of ${month}: 3 invoices, ${total}0
    Log To Console    ${line}
    Set Suite Variable    ${month}
    Set Suite Variable    ${total}

Leave The Table
    Create File    ${OUTPUT DIR}/totals.csv    month,invoices,total\n${month},3,${total}0\n
