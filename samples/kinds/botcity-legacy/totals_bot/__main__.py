from totals_bot.bot import main

main()
