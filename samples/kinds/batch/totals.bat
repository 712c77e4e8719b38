@echo off
set total=60.00
echo totals of %BOTYARD_PARAM_MONTH%: 3 invoices, %total%
(echo month,invoices,total) > "%BOTYARD_ARTIFACTS%\totals.csv"
(echo %BOTYARD_PARAM_MONTH%,3,%total%) >> "%BOTYARD_ARTIFACTS%\totals.csv"
exit /b 0
